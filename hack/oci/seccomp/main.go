// Prints containerd's default seccomp profile for a container with the capabilities that are named, such as CAP_BPF.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/containerd/containerd/contrib/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func main() {
	granted := &specs.LinuxCapabilities{Bounding: os.Args[1:]}
	profile := seccomp.DefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: granted}})
	if err := json.NewEncoder(os.Stdout).Encode(profile); err != nil {
		log.Fatalf("failed to print the profile: %v", err)
	}
}
