//! A program that is not ours on the same interface.

use aya::{Ebpf, EbpfLoader, maps::PerCpuArray, programs::SchedClassifier};
use lightship_abi::{
    names::{INGRESS_PROGRAM, OUTCOMES},
    outcome::Outcome,
};

/// A program of another owner: the responder's object again, with maps of its own, none of which hold anything.
pub(crate) fn load_neighbour() -> Ebpf {
    let mut ebpf = EbpfLoader::new()
        .load(aya::include_bytes_aligned!("../../responder.o"))
        .expect("an object");
    super::load(classifier(&mut ebpf));
    ebpf
}

pub(crate) fn classifier(ebpf: &mut Ebpf) -> &mut SchedClassifier {
    ebpf.program_mut(INGRESS_PROGRAM)
        .expect("a program")
        .try_into()
        .expect("a classifier")
}

pub(crate) fn seen_by(neighbour: &Ebpf, outcome: Outcome) -> u64 {
    let map: PerCpuArray<_, u64> = neighbour
        .map(OUTCOMES)
        .expect("a map")
        .try_into()
        .expect("per CPU");
    map.get(&outcome.slot(), 0).expect("a read").iter().sum()
}
