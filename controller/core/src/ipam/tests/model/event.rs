//! What can happen, as plain values made of a few small numbers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::*;

/// A small generator of numbers, the same for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// How a write of a status fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Applied and answered, or refused by a 409 if the service changed meanwhile.
    Done,
    /// Not applied: a 422.
    Refused,
    /// Applied at once, answered never or by a 500.
    Unanswered,
    /// Answered never, applied later if nothing came between.
    Late,
}

#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A service is created or edited, and seen at once or later.
    Service(u64, Form, Sight),
    DeleteService(u64, Sight),
    Pool(u64, PoolForm, Sight),
    DeletePool(u64, Sight),
    /// The operator writes the status of a service.
    Write(u64, Fate),
    /// A late write reaches the API server after all.
    Arrive(u64),
    /// The operator sees a service, perhaps once more.
    See(u64),
    SeePool(u64),
    /// Somebody else writes into a status.
    Tamper(u64, Tampering),
    Wait(u64),
    /// The operator dies, with what it had sent; another starts when that has arrived or never will.
    Restart,
    /// The other replica takes over; everything that was sent has arrived.
    HandOver,
    /// What the pools say cannot be believed any more.
    Freeze,
    /// It can again: they were listed anew.
    Thaw,
    /// All is seen and written; then a restart must change nothing.
    Settle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    Now,
    Later,
}

/// What others put into a status.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tampering {
    Address(u64),
    Two(u64, u64),
    ByCilium(u64),
    Name,
    Cleared,
}

/// What a user may change of a service.
#[derive(Clone, Debug)]
pub(super) struct Form {
    color: u64,
    requests: Vec<u64>,
    key: u64,
    port: u64,
    crossing: u64,
    local: u64,
    families: u64,
    named_pool: u64,
    handling: u64,
}

#[derive(Clone, Debug)]
pub(super) struct PoolForm {
    blocks: Vec<(u64, u64, u64)>,
    color: u64,
    disabled: u64,
    reserved: (u64, u64),
    priority: u64,
}

impl Event {
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let service = dice.below(9);
        match dice.below(105) {
            0..=24 => {
                let form = Form::roll(dice);
                Self::Service(service, form, Sight::roll(dice))
            }
            25..=30 => Self::DeleteService(service, Sight::roll(dice)),
            31..=41 => {
                let (pool, form) = (dice.below(4), PoolForm::roll(dice));
                Self::Pool(pool, form, Sight::roll(dice))
            }
            42..=46 => Self::DeletePool(dice.below(4), Sight::roll(dice)),
            47..=73 => {
                let fates = [
                    Fate::Done,
                    Fate::Done,
                    Fate::Refused,
                    Fate::Unanswered,
                    Fate::Late,
                ];
                let fate = fates[usize::try_from(dice.below(5)).unwrap()];
                Self::Write(service, fate)
            }
            74..=78 => Self::Arrive(service),
            79..=84 => Self::See(service),
            85..=87 => Self::SeePool(dice.below(4)),
            88..=90 => Self::Tamper(service, Tampering::roll(dice)),
            91..=93 => Self::Wait(dice.below(8)),
            94..=95 => Self::Restart,
            96 => Self::HandOver,
            100..=101 => Self::Freeze,
            102..=104 => Self::Thaw,
            _ => Self::Settle,
        }
    }
}

impl Sight {
    fn roll(dice: &mut Dice) -> Self {
        if dice.below(4) == 0 {
            Self::Later
        } else {
            Self::Now
        }
    }
}

impl Tampering {
    fn roll(dice: &mut Dice) -> Self {
        let low = dice.below(48);
        match dice.below(8) {
            0..=2 => Self::Address(low),
            3 => Self::Two(low, dice.below(48)),
            4 | 5 => Self::ByCilium(low),
            6 => Self::Name,
            _ => Self::Cleared,
        }
    }
}

/// The addresses of the game: sixteen of either family.
pub(super) fn address(number: u64) -> IpAddr {
    let low = number % 16;
    let text = if number.is_multiple_of(3) {
        format!("2004::{low:x}")
    } else {
        format!("10.0.0.{low}")
    };
    text.parse().unwrap()
}

/// The range from an address of the game to one a little higher.
fn upwards(number: u64, length: u64) -> Range {
    let high = (number % 16 + length).min(15);
    let first = address(number);
    let mut high = (0..3).map(|turn| address(high + 16 * turn));
    let last = high.find(|last| Family::of(*last) == Family::of(first)).unwrap();
    Range::new(first, last).unwrap()
}

pub(super) fn service_id(number: u64) -> ServiceId {
    ServiceId::new(
        if number.is_multiple_of(2) { "even" } else { "odd" },
        format!("s{number}"),
    )
}

impl Form {
    fn roll(dice: &mut Dice) -> Self {
        let requests = if dice.below(3) == 0 { 1 + dice.below(2) } else { 0 };
        Self {
            color: dice.below(2),
            requests: (0..requests).map(|_| dice.below(48)).collect(),
            key: dice.below(4),
            port: dice.below(5),
            crossing: dice.below(3),
            local: dice.below(8),
            families: dice.below(3),
            named_pool: dice.below(12),
            handling: dice.below(14),
        }
    }

    /// The service as it is specified; its status is empty.
    pub(super) fn service(&self, number: u64) -> Service {
        let families = match self.families {
            0 => vec![Family::V4],
            1 => vec![Family::V6],
            _ => vec![Family::V4, Family::V6],
        };
        let requested = self.requests.iter().map(|one| match one {
            47 => Requested::Unreadable("x".into()),
            one => Requested::Address(address(*one)),
        });
        Service {
            id: service_id(number),
            created: Timestamp(i64::try_from(number / 2).unwrap()),
            labels: color(self.color),
            handling: match self.handling {
                0 => Handling::NotLoadBalancer,
                1 => Handling::ForeignClass("x/y".into()),
                _ => Handling::Ours,
            },
            families,
            requested: requested.collect(),
            pool: (self.named_pool < 2).then(|| pool_name(self.named_pool)),
            sharing: self.sharing(),
            ..super::super::service("any")
        }
    }

    fn sharing(&self) -> Option<Sharing> {
        let key = SharingKey::new(["", "", "k", "l"][usize::try_from(self.key).unwrap()])?;
        let pods = |app: &str| [("app".to_owned(), app.to_owned())].into();
        let different = DifferentPods::read(self.local.is_multiple_of(2).then_some("true"));
        let traffic = match self.local {
            0..=3 => Traffic::Cluster,
            4 => Traffic::Local {
                pods: Labels::new(),
                different,
            },
            local => Traffic::Local {
                pods: pods(if local == 5 { "a" } else { "b" }),
                different,
            },
        };
        let number = i32::try_from(self.port).unwrap();
        let protocol = if number % 2 == 0 {
            Protocol::Tcp
        } else {
            Protocol::Udp
        };
        Some(Sharing {
            key,
            namespaces: Namespaces::read(
                ["", "*", "even, odd"]
                    .get(usize::try_from(self.crossing).unwrap())
                    .copied(),
            ),
            ports: BTreeSet::from([Port {
                number: number / 2,
                protocol,
            }]),
            traffic,
        })
    }
}

fn color(number: u64) -> Labels {
    let color = if number == 0 { "blue" } else { "red" };
    [("color".to_owned(), color.to_owned())].into()
}

pub(super) fn pool_name(number: u64) -> crate::names::PoolName {
    format!("p{number}").into()
}

impl PoolForm {
    fn roll(dice: &mut Dice) -> Self {
        let blocks = 1 + dice.below(2);
        Self {
            blocks: (0..blocks)
                .map(|_| (dice.below(48), dice.below(4), dice.below(4)))
                .collect(),
            color: dice.below(9),
            disabled: dice.below(6),
            reserved: (dice.below(60), dice.below(3)),
            priority: dice.below(2),
        }
    }

    pub(super) fn spec(&self, number: u64) -> PoolSpec {
        let blocks = self.blocks.iter().map(|(start, length, kind)| {
            if *kind == 3 {
                let (start, stop) = upwards(*start, *length).ends();
                let text = BlockText::range(&start.to_string(), &stop.to_string());
                return text.read(FirstLast::Withheld).unwrap();
            }
            let start = address(*start);
            let first_last = if *kind == 0 {
                FirstLast::Withheld
            } else {
                FirstLast::Allowed
            };
            let prefix = match start {
                IpAddr::V4(_) => 32 - length,
                IpAddr::V6(_) => 128 - length,
            };
            BlockText::cidr(&format!("{start}/{prefix}"))
                .read(first_last)
                .unwrap()
        });
        let everything = Selector::everything();
        PoolSpec {
            name: pool_name(number),
            created: Timestamp(i64::try_from(number / 2).unwrap()),
            priority: i32::try_from(self.priority).unwrap(),
            admission: if self.disabled == 0 {
                Admission::Disabled
            } else {
                Admission::Open
            },
            selector: match self.color {
                0 | 1 => Ok(everything.with_label("color", "blue")),
                2 | 3 => everything.with_expression("color", "NotIn", &["blue".to_owned()]),
                4 => everything.with_expression("color", "Like", &[]),
                _ => Ok(everything),
            },
            blocks: blocks.collect(),
            reserved: (self.reserved.0 < 48)
                .then(|| upwards(self.reserved.0, self.reserved.1))
                .into_iter()
                .collect(),
            problems: vec![],
        }
    }
}
