//! A history before it happens: what the cluster looks like, and what goes wrong when.

use super::dice::Dice;
use super::{MS, Micros, SECOND};

/// What the cluster looks like.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) nodes: usize,
    /// Segments; every node has an interface on each.
    pub(super) segments: usize,
    pub(super) groups: usize,
    /// Services of each group: they share its addresses.
    pub(super) members: usize,
    /// Whether services have an IPv6 address beside the other.
    pub(super) dual: bool,
    /// Whether each segment has a router.
    pub(super) gateway: bool,
    /// How long a heartbeat counts.
    pub(super) duration: Micros,
    /// One way to the API server, at least and at most.
    pub(super) api: (Micros, Micros),
    /// How late a watch tells, at least and at most.
    pub(super) news: (Micros, Micros),
    pub(super) lan: (Micros, Micros),
    /// By how much a timer may be late.
    pub(super) jitter: Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The machine is off, and boots again.
    Crash(usize),
    /// The whole machine stands still; frames wait or are lost, its clock runs or stands.
    Pause {
        node: usize,
        queued: bool,
        ticking: bool,
    },
    /// The agent's process stands still, the kernel does not.
    Freeze(usize),
    /// The agent is gone, the kernel is not; another agent starts afterwards.
    Restart(usize),
    /// All machines have more to do than they can: agents run now and then.
    Busy,
    /// A node has no link to a segment; whether it notices.
    Link {
        node: usize,
        segment: usize,
        seen: bool,
    },
    /// A node does not hear another on a segment; whether the other hears it.
    Deaf {
        one: usize,
        other: usize,
        segment: usize,
        both: bool,
    },
    /// The nodes below a number, the gateway among them, and the others are two segments.
    Split {
        segment: usize,
        below: usize,
    },
    /// Frames are lost and doubled, in a thousand.
    Noise {
        segment: usize,
        loss: u64,
        twice: u64,
    },
    Gateway(usize),
    /// The API server is off.
    ApiDown,
    /// The API server takes connections and says nothing.
    ApiFrozen,
    /// Answers get lost, and requests take effect late.
    ApiLossy,
    /// One node does not reach the API server.
    ApiCut(usize),
    /// News of leases do not come until the watch is made anew.
    NewsLost(usize),
    Operator,
    OperatorCut,
    /// A node is drained, and undrained afterwards.
    Drain(usize),
    /// The service whose lease is the authority on a group is deleted, and created again afterwards; or it has another address
    /// for so long.
    Retire {
        group: usize,
        leaves: bool,
    },
    /// Somebody sends claims that are nobody's.
    Forged {
        segment: usize,
        by: Forger,
    },
}

/// Whose name is on a forged claim, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forger {
    /// Nobody's, so many epochs ahead of the lease.
    Stranger(u32),
    /// A member's, so many epochs ahead of the lease.
    Member(usize, u32),
    /// Claims that were true, again.
    Replayer,
}

impl Forger {
    pub(super) fn roll(dice: &mut Dice, node: usize) -> Self {
        let lead = [0, 1, 7, 4_000_000][dice.index(4)];
        match dice.below(3) {
            0 => Self::Stranger(lead),
            1 => Self::Member(node, lead),
            _ => Self::Replayer,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: Micros,
    pub(super) lasts: Micros,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) shape: Shape,
    pub(super) faults: Vec<Fault>,
    /// Whether the only fault is one that a standby makes good in time.
    pub(super) is_timed: bool,
}

/// Before this nothing goes wrong.
pub(super) const QUIET: Micros = 4 * SECOND;

impl Shape {
    pub(super) fn plain(nodes: usize) -> Self {
        Self {
            nodes,
            segments: 1,
            groups: 2,
            members: 1,
            dual: false,
            gateway: true,
            duration: 3 * SECOND,
            api: (MS, 5 * MS),
            news: (2 * MS, 20 * MS),
            lan: (50, 300),
            jitter: 2 * MS,
        }
    }

    pub(super) fn roll(dice: &mut Dice) -> Self {
        let api = dice.between(MS, 20 * MS);
        Self {
            nodes: 2 + dice.index(3),
            segments: 1 + usize::from(dice.permille(250)),
            groups: 1 + dice.index(3),
            members: 1,
            dual: dice.permille(300),
            gateway: dice.permille(700),
            duration: if dice.permille(50) {
                SECOND
            } else {
                dice.between(2, 4) * SECOND
            },
            api: (api / 2, api),
            news: (MS, dice.between(2, 60) * MS),
            lan: (50, dice.between(100, 1500)),
            jitter: dice.between(0, 5) * MS,
        }
    }
}

impl Kind {
    pub(super) fn roll(dice: &mut Dice, shape: &Shape) -> Self {
        let (node, segment) = (dice.index(shape.nodes), dice.index(shape.segments));
        let other = (node + 1 + dice.index(shape.nodes - 1)) % shape.nodes;
        let coin = |dice: &mut Dice| dice.permille(500);
        match dice.below(21) {
            0 | 1 => Self::Crash(node),
            2 => Self::Pause {
                node,
                queued: coin(dice),
                ticking: coin(dice),
            },
            3 | 4 => Self::Freeze(node),
            5 => Self::Restart(node),
            6 => Self::Busy,
            7 | 8 => Self::Link {
                node,
                segment,
                seen: coin(dice),
            },
            9 => Self::Deaf {
                one: node,
                other,
                segment,
                both: coin(dice),
            },
            10 => Self::Split {
                segment,
                below: 1 + dice.index(shape.nodes - 1),
            },
            11 => Self::Noise {
                segment,
                loss: dice.below(300),
                twice: dice.below(100),
            },
            12 => Self::Gateway(segment),
            13 => Self::ApiDown,
            14 => Self::ApiFrozen,
            15 => Self::ApiLossy,
            16 => Self::ApiCut(node),
            17 => Self::NewsLost(node),
            18 => Self::Drain(node),
            19 => Self::Forged {
                segment,
                by: Forger::roll(dice, node),
            },
            _ if coin(dice) => Self::Operator,
            _ => Self::OperatorCut,
        }
    }
}

impl Kind {
    /// The only node whose addresses may move because of it.
    pub(super) fn node(self) -> Option<usize> {
        match self {
            Self::Crash(node)
            | Self::Pause { node, .. }
            | Self::Freeze(node)
            | Self::Restart(node)
            | Self::Link { node, .. }
            | Self::ApiCut(node)
            | Self::Drain(node) => Some(node),
            _ => None,
        }
    }

    /// Whether every holder goes on answering and showing that it lives.
    pub(super) fn harms_no_holder(self) -> bool {
        matches!(
            self,
            Self::Gateway(_)
                | Self::Busy
                | Self::ApiDown
                | Self::ApiFrozen
                | Self::NewsLost(_)
                | Self::Operator
                | Self::OperatorCut
                | Self::Retire { .. }
                | Self::Forged {
                    by: Forger::Stranger(_) | Forger::Replayer,
                    ..
                }
        )
    }
}

impl Fault {
    pub(super) fn roll(dice: &mut Dice, shape: &Shape) -> Self {
        let kind = Kind::roll(dice, shape);
        let most = if dice.permille(500) { SECOND } else { 8 * SECOND };
        Self {
            at: QUIET + dice.between(0, 6 * SECOND),
            lasts: dice.between(20 * MS, most),
            kind,
        }
    }

    pub(super) fn until(&self) -> Micros {
        self.at + self.lasts
    }
}

impl Plan {
    /// Whatever may go wrong.
    pub(super) fn roll(seed: u64, most: u64) -> Self {
        let mut dice = Dice::new(seed);
        let shape = Shape::roll(&mut dice);
        let count = if most == 0 { 0 } else { dice.between(1, most) };
        let mut faults: Vec<Fault> = (0..count).map(|_| Fault::roll(&mut dice, &shape)).collect();
        faults.sort_by_key(|fault| fault.at);
        Self {
            seed,
            shape,
            faults,
            is_timed: false,
        }
    }

    /// When nothing is wrong any more.
    pub(super) fn healed(&self) -> Micros {
        self.faults.iter().map(Fault::until).max().unwrap_or(QUIET)
    }

    /// When everything has to be in order again: whoever was doubted has been found alive, and retried everything.
    pub(super) fn settled(&self) -> Micros {
        self.healed() + 3 * self.shape.duration + 6 * SECOND
    }

    pub(super) fn end(&self) -> Micros {
        self.settled() + SECOND
    }
}
