//! The lab itself: it comes up, breaks and mends as told, and leaves nothing behind.

use std::time::Duration;

use anyhow::ensure;
use lightship_tests::{
    Lab, Options, eventually,
    lab::{folder::Folder, residue::residue, testing::TestLab, unit::Action},
};

fn bare(nodes: u32) -> Options {
    Options {
        nodes,
        bare: true,
        ..Options::default()
    }
}

#[test]
fn a_node_that_crashed_can_be_revived() {
    let lab = TestLab::up("faults", &bare(2)).unwrap();
    let reach = |address: &str| {
        lab.try_exec(
            "jumpbox",
            &["arping", "-i", "eth0", "-c", "1", "-W", "0.2", address],
        )
    };
    assert!(reach("10.0.1.2").unwrap().succeeded());

    lab.crash("node-2").unwrap();
    assert!(!reach("10.0.1.2").unwrap().succeeded());
    assert!(
        lab.exec("node-2", &["true"])
            .unwrap_err()
            .to_string()
            .contains("it is down")
    );
    lab.crash("node-2").unwrap();
    lab.revive("node-2").unwrap();
    assert!(reach("10.0.1.2").unwrap().succeeded());

    lab.link("node-1", "eth0", false).unwrap();
    assert!(!reach("10.0.1.1").unwrap().succeeded());
    lab.link("node-1", "eth0", true).unwrap();
    eventually("node-1 again", Duration::from_secs(10), || {
        ensure!(reach("10.0.1.1")?.succeeded(), "it does not answer");
        Ok(())
    })
    .unwrap();

    lab.api(Action::Freeze).unwrap();
    let asked = lab
        .try_kubectl(&["get", "nodes", "--request-timeout=1s"])
        .unwrap();
    lab.api(Action::Thaw).unwrap();
    assert!(!asked.succeeded());
    lab.kubectl(&["get", "nodes"]).unwrap();
    lab.down().unwrap();
}

#[test]
fn each_node_has_a_bpf_filesystem_of_its_own() {
    let lab = TestLab::up("bpffs", &bare(2)).unwrap();
    lab.exec("node-1", &["mkdir", "/sys/fs/bpf/mark"]).unwrap();
    assert!(
        !lab.try_exec("node-2", &["test", "-e", "/sys/fs/bpf/mark"])
            .unwrap()
            .succeeded()
    );
    lab.crash("node-1").unwrap();
    lab.revive("node-1").unwrap();
    assert!(
        !lab.try_exec("node-1", &["test", "-e", "/sys/fs/bpf/mark"])
            .unwrap()
            .succeeded()
    );
    lab.down().unwrap();
}

#[test]
fn labs_stand_side_by_side_and_leave_nothing() {
    let one = TestLab::up("one", &bare(1)).unwrap();
    let name = format!("test-two-{}", std::process::id());
    let two = Lab::up(&name, &bare(1)).unwrap();
    let slot = two.folder().record().unwrap().slot;
    assert_ne!(slot, one.folder().record().unwrap().slot);
    let again = Lab::up(&name, &bare(1)).unwrap();
    assert_eq!(again.folder().record().unwrap().slot, slot);
    assert!(!residue(two.folder()).is_empty());

    Lab::down(&name).unwrap();
    Lab::down(&name).unwrap();
    assert_eq!(residue(&Folder::of(&name).unwrap()), Vec::<String>::new());
    one.kubectl(&["get", "nodes"]).unwrap();
    one.down().unwrap();
}

#[test]
fn what_an_interrupted_up_left_is_taken_away() {
    let lab = TestLab::up("half", &bare(1)).unwrap();
    let folder = lab.folder().clone();
    let mut record = folder.record().unwrap();
    // As if its builder had been killed at the very end.
    record.complete = false;
    folder.write_record(&record).unwrap();
    lab.down().unwrap();
    assert_eq!(residue(&folder), Vec::<String>::new());
}
