//! Each fault: how it is made, when it is over, and how it is mended.

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use lightship_tests::{
    lab::{
        network::{LAN, MANAGEMENT},
        unit::Action,
    },
    scene::{Scene, watching::Watching},
};

/// What can go wrong, or be done on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    Crash,
    Cut,
    Uplink,
    Pause,
    Drain,
    AgentRestart,
    AgentKill,
    AgentFrozenBriefly,
    AgentFrozen,
    OperatorRestart,
    ApiLinkCut,
    ApiKilled,
    ApiFrozen,
    ApiFrozenMinute,
    ApiFrozenCrash,
    Mass,
}

impl Fault {
    /// The words for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crash => "node crash",
            Self::Cut => "LAN link cut, API link alive",
            Self::Uplink => "uplink cut without a link event",
            Self::Pause => "machine paused and resumed",
            Self::Drain => "node drained",
            Self::AgentRestart => "agent stopped and started",
            Self::AgentKill => "agent killed and started",
            Self::AgentFrozenBriefly => "agent frozen for 5 s, within its gate",
            Self::AgentFrozen => "agent frozen beyond its gate, then thawed",
            Self::OperatorRestart => "operator killed and started",
            Self::ApiLinkCut => "API link cut for 5 s, LAN link alive",
            Self::ApiKilled => "API server killed and started",
            Self::ApiFrozen => "API server frozen for 10 s",
            Self::ApiFrozenMinute => "API server frozen for 60 s",
            Self::ApiFrozenCrash => "node crash while the API server is frozen",
            Self::Mass => "node with 500 addresses crashes",
        }
    }

    /// The two whose tail is promised are tried ten times as often.
    pub(crate) fn runs(self, runs: u32) -> u32 {
        match self {
            Self::Crash | Self::Cut => runs * 10,
            Self::Mass | Self::AgentFrozen | Self::ApiFrozenMinute => runs.div_ceil(4),
            _ => runs,
        }
    }

    /// Whether the addresses go to others.
    pub(crate) fn moves(self) -> bool {
        !matches!(
            self,
            Self::AgentRestart
                | Self::AgentKill
                | Self::AgentFrozenBriefly
                | Self::OperatorRestart
                | Self::ApiLinkCut
                | Self::ApiKilled
                | Self::ApiFrozen
                | Self::ApiFrozenMinute
        )
    }

    /// Whether objects can be edited meanwhile.
    pub(crate) fn leaves_the_api(self) -> bool {
        !matches!(
            self,
            Self::ApiKilled | Self::ApiFrozen | Self::ApiFrozenMinute | Self::ApiFrozenCrash
        )
    }

    /// Whether the victim hears no claim until it is mended.
    pub(crate) fn deafens(self) -> bool {
        matches!(
            self,
            Self::Crash | Self::Cut | Self::Uplink | Self::Pause | Self::ApiFrozenCrash | Self::Mass
        )
    }

    /// Whether no client may lose an answer by it: it was done on purpose, or somebody else's kernel goes on.
    pub(crate) fn costs_nothing(self) -> bool {
        self == Self::Drain || !self.moves()
    }

    /// Makes it, and returns when clients have seen what there is to be seen.
    pub(crate) fn make(self, scene: &Scene, victim: &str, watching: &Watching<'_>) -> Result<()> {
        match self {
            Self::Crash | Self::Mass => scene.crash(victim).map(drop)?,
            Self::Cut => scene.link(victim, LAN, false)?,
            Self::Uplink => scene.uplink(victim, LAN, false)?,
            Self::Pause => scene.pause(victim)?,
            Self::Drain => scene.drain(victim)?,
            Self::AgentFrozen => scene.agent(Action::Freeze, victim)?,
            Self::AgentRestart => {
                scene.agent(Action::Stop, victim)?;
                scene.agent(Action::Start, victim)?;
            }
            Self::AgentKill => {
                scene.agent(Action::Kill, victim)?;
                scene.agent(Action::Start, victim)?;
            }
            Self::AgentFrozenBriefly => {
                scene.agent(Action::Freeze, victim)?;
                watching.for_a_while(Duration::from_secs(5));
                scene.agent(Action::Thaw, victim)?;
            }
            Self::OperatorRestart => {
                scene.operator(Action::Kill, 1)?;
                scene.operator(Action::Start, 1)?;
            }
            Self::ApiLinkCut => {
                scene.link(victim, MANAGEMENT, false)?;
                watching.for_a_while(Duration::from_secs(5));
                scene.link(victim, MANAGEMENT, true)?;
            }
            Self::ApiKilled => {
                scene.api(Action::Kill)?;
                watching.for_a_while(Duration::from_secs(2));
                scene.api(Action::Start)?;
            }
            Self::ApiFrozen => api_frozen_for(Duration::from_secs(10), scene, watching)?,
            Self::ApiFrozenMinute => api_frozen_for(Duration::from_mins(1), scene, watching)?,
            Self::ApiFrozenCrash => {
                scene.api(Action::Freeze)?;
                watching.for_a_while(Duration::from_secs(2));
                scene.crash(victim)?;
            }
        }
        if self.moves() {
            watching.answered_by_others(victim)?;
        } else {
            // What restarts must have had its chance to do harm.
            watching.for_a_while(Duration::from_secs(3));
        }
        Ok(())
    }

    /// Mends it while clients still watch, for that is a fault of its own; returns since when the victim can hear claims again.
    pub(crate) fn mend(self, scene: &Scene, victim: &str, watching: &Watching<'_>) -> Result<Duration> {
        watching.mark("it is mended");
        match self {
            Self::Crash | Self::Mass => scene.revive(victim)?,
            Self::Cut => scene.link(victim, LAN, true)?,
            Self::Uplink => scene.uplink(victim, LAN, true)?,
            Self::Pause => scene.resume(victim)?,
            Self::Drain => scene.undrain(victim)?,
            Self::AgentFrozen => scene.agent(Action::Thaw, victim)?,
            Self::ApiFrozenCrash => {
                scene.api(Action::Thaw)?;
                scene.revive(victim)?;
            }
            Self::AgentRestart
            | Self::AgentKill
            | Self::AgentFrozenBriefly
            | Self::OperatorRestart
            | Self::ApiLinkCut
            | Self::ApiKilled
            | Self::ApiFrozen
            | Self::ApiFrozenMinute => return Ok(watching.mark("it hears")),
        }
        let hears = watching.mark("it hears");
        watching.for_a_while(Duration::from_secs(2));
        Ok(hears)
    }
}

fn api_frozen_for(time: Duration, scene: &Scene, watching: &Watching<'_>) -> Result<()> {
    scene.api(Action::Freeze)?;
    watching.for_a_while(time);
    scene.api(Action::Thaw)
}
