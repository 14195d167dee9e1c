//! What an agent does, in a sandbox: open the data path, want addresses, bring the kernel there.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use aya::programs::{SchedClassifier, TcAttachType};
use lightship_datapath::{
    Datapath, Entry, InterfaceIndex, MacAddress, Options, Order,
    plan::{Action, Confirmation, Desired, Hold, Observed, View, plan},
};

use super::{Station, index_of, mac_of, request};

pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 10, 0);
pub(crate) const VIP6: Ipv6Addr = Ipv6Addr::new(0x2004, 0, 0, 0, 0, 0, 0xab, 0xcdef);
pub(crate) const CLIENT: [u8; 4] = [10, 0, 10, 99];
pub(crate) const SOON: Duration = Duration::from_secs(2);
/// Long enough for an answer that must not come.
pub(crate) const NEVER: Duration = Duration::from_millis(150);

/// By which binding addresses are answered where a test says nothing else.
pub(crate) const HOLD: Hold = Hold {
    order: Order { epoch: 5, rank: 0 },
    confirmed: Confirmation::Unconfirmed,
};

pub(crate) fn open() -> Datapath {
    Datapath::open(&Options::default()).expect("a data path")
}

pub(crate) fn near() -> InterfaceIndex {
    InterfaceIndex(index_of("near"))
}

pub(crate) fn vip() -> Entry {
    entry(VIP)
}

pub(crate) fn entry(address: impl Into<IpAddr>) -> Entry {
    Entry {
        address: address.into(),
        interface: near(),
    }
}

pub(crate) fn desired(addresses: &[Ipv4Addr]) -> Desired {
    desired_of(&addresses.iter().copied().map(IpAddr::from).collect::<Vec<_>>())
}

pub(crate) fn desired_of(addresses: &[IpAddr]) -> Desired {
    let interface = near();
    Desired {
        interfaces: [(interface, MacAddress(mac_of("near")))].into(),
        entries: addresses
            .iter()
            .map(|&address| (Entry { address, interface }, HOLD))
            .collect(),
        members: BTreeSet::new(),
        view: View::Complete,
    }
}

/// One turn of an agent: observe, plan, execute. What is known of the kernel then is what it holds.
pub(crate) fn reconcile(datapath: &mut Datapath, desired: &Desired) -> Vec<Action> {
    datapath.beat().expect("a beat");
    let mut known = datapath.observe().expect("an observation");
    let actions = plan(desired, &known);
    let failures = datapath.execute(&actions);
    assert!(failures.is_empty(), "{failures:?}");
    for action in &actions {
        known.carried_out(*action);
    }
    assert_eq!(
        known,
        uncounted(datapath.observe().expect("an observation"), &known)
    );
    actions
}

/// What the program counts goes on while it is looked at.
fn uncounted(mut seen: Observed, known: &Observed) -> Observed {
    for (entry, kept) in &mut seen.entries {
        if let Some(known) = known.entries.get(entry) {
            kept.responses_sent = known.responses_sent;
        }
    }
    seen
}

pub(crate) fn ask(station: &Station, target: Ipv4Addr, within: Duration) -> Option<Vec<u8>> {
    station.ask(&request(mac_of("far"), CLIENT, target.octets()), within)
}

pub(crate) fn programs_on(interface: &str) -> Vec<u32> {
    let (_, programs) = SchedClassifier::query_tcx(interface, TcAttachType::Ingress).expect("a query");
    programs.iter().map(aya::programs::ProgramInfo::id).collect()
}
