# From `cargo metadata` to the parts of the program (CycloneDX 1.5): what the program and the responder inside it link, and
# neither what only tests use nor what only runs while building.
. as $metadata
| (reduce $metadata.packages[] as $package ({}; .[$package.id] = $package)) as $packages
| def runs_while_building: any($packages[.].targets[].kind[]; . == "proc-macro");
  (reduce $metadata.resolve.nodes[] as $node ({};
    .[$node.id] = [$node.deps[] | select(any(.dep_kinds[]; .kind == null)) | .pkg | select(runs_while_building | not)])) as $linked
| [$packages[] | select(.source == null and (.name == "lightship" or .name == "lightship-ebpf")) | .id] as $roots
| def reach($seen; $open):
    if ($open | length) == 0 then $seen
    else ([$open[] | $linked[.][]?] | unique) as $next | reach(($seen + $open | unique); $next - $seen - $open)
    end;
  def purl: "pkg:cargo/\(.name)@\(.version)";
  reach([]; $roots) as $parts
| {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {component: {type: "application", "bom-ref": "lightship", name: "lightship", version: $version}},
    components: [
      $parts[] | $packages[.]
      | {type: "library", "bom-ref": .id, name, version, purl: purl}
        + (if .license then {licenses: [{expression: (.license | gsub("/"; " OR "))}]} else {} end)
    ] | sort_by(.name, .version),
    dependencies: (
      [{ref: "lightship", dependsOn: $roots}]
      + [$parts[] as $part | {ref: $part, dependsOn: ($linked[$part] // [])}]
    )
  }
