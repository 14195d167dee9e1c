//! What a probing client has sent and heard, and what follows from it: silence, stale answers, moves.

use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr, time::Duration};

use lightship_abi::{mac::MacAddress, order::Order};

use super::frames::{Heard, NUMBERS};

/// How long an answer may take to count as one; here answers take microseconds.
pub const IN_FLIGHT: Duration = Duration::from_millis(250);

/// Between a new holder's first answer and its claim.
const TELLS_WITHIN: Duration = Duration::from_millis(100);

/// The round trips that are kept.
const ROUND_TRIPS: usize = 100_000;

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// When it came, since the recording began.
    pub at: Duration,
    /// Who answered.
    pub mac: MacAddress,
}

/// One question and its answers.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// When it was sent, since the recording began.
    pub sent: Duration,
    /// By whom it was answered, and when.
    pub answers: Vec<Answer>,
}

/// A claim that everybody heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// When.
    pub at: Duration,
    /// By whom.
    pub mac: MacAddress,
    /// Its place in the order of bindings.
    pub order: Option<Order>,
}

/// A stretch of time without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Silence {
    /// When the first question was sent that nobody answered.
    pub from: Duration,
    /// When the next one was sent that somebody answered, or the last that nobody did.
    pub to: Duration,
    /// The questions that nobody answered.
    pub lost: usize,
}

impl Silence {
    /// How long it was.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.to.saturating_sub(self.from)
    }
}

/// Everything about one address.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// In the order they were sent.
    pub questions: Vec<Question>,
    /// In the order they were heard.
    pub claims: Vec<Claim>,
}

impl Record {
    /// Notes an answer, and says how long it took.
    fn answered(&mut self, at: Duration, mac: MacAddress, number: u32) -> Option<Duration> {
        let last = u32::try_from(self.questions.len()).ok()?.checked_sub(1)?;
        // The latest question whose number ends so.
        let index = last.wrapping_sub(last.wrapping_sub(number) % NUMBERS);
        let question = self.questions.get_mut(index as usize)?;
        question.answers.push(Answer { at, mac });
        Some(at.saturating_sub(question.sent))
    }

    /// The questions sent between two moments.
    pub fn between(&self, from: Duration, to: Duration) -> impl Iterator<Item = &Question> {
        self.questions
            .iter()
            .skip_while(move |question| question.sent < from)
            .take_while(move |question| question.sent < to)
    }

    /// Every silence among the questions sent between two moments.
    #[must_use]
    pub fn silences(&self, from: Duration, to: Duration) -> Vec<Silence> {
        let mut all: Vec<Silence> = Vec::new();
        let mut open = false;
        for question in self.between(from, to) {
            let silent = question.answers.is_empty();
            match all.last_mut().filter(|_| open) {
                Some(silence) => {
                    silence.to = question.sent;
                    silence.lost += usize::from(silent);
                }
                None if silent => all.push(Silence {
                    from: question.sent,
                    to: question.sent,
                    lost: 1,
                }),
                None => {}
            }
            open = silent;
        }
        all
    }

    /// The longest of them.
    #[must_use]
    pub fn silence(&self, from: Duration, to: Duration) -> Silence {
        let all = self.silences(from, to).into_iter();
        all.max_by_key(Silence::length).unwrap_or_default()
    }

    /// Who answered, each only where it follows another, by the time of the question.
    #[must_use]
    pub fn answerers(&self, from: Duration, to: Duration) -> Vec<MacAddress> {
        let mut all: Vec<MacAddress> = Vec::new();
        for answer in self.between(from, to).flat_map(|question| &question.answers) {
            if all.last() != Some(&answer.mac) {
                all.push(answer.mac);
            }
        }
        all
    }

    /// Who had it in turn: a node has it until a question is answered by others alone. Where it is handed over both answer for a
    /// moment, which is no move there and back.
    #[must_use]
    pub fn holders(&self, from: Duration, to: Duration) -> Vec<MacAddress> {
        let mut all: Vec<MacAddress> = Vec::new();
        for question in self.between(from, to) {
            let goes_on = |holder| question.answers.iter().any(|answer| answer.mac == holder);
            if let Some(first) = question.answers.first()
                && !all.last().copied().is_some_and(goes_on)
            {
                all.push(first.mac);
            }
        }
        all
    }

    /// How many questions got answers of two nodes.
    #[must_use]
    pub fn doubly_answered(&self, from: Duration, to: Duration) -> usize {
        self.between(from, to)
            .filter(|question| {
                question
                    .answers
                    .iter()
                    .any(|answer| answer.mac != question.answers[0].mac)
            })
            .count()
    }

    /// Whether who answers beats `best` by a claim of its own: who takes over answers first and tells everybody then.
    fn claims_over(&self, best: Claim, answer: &Answer) -> bool {
        let own = self.claims.iter().filter(|claim| claim.mac == answer.mac);
        let mut told = own.filter(|claim| claim.at >= best.at && claim.at <= answer.at + TELLS_WITHIN);
        told.any(|claim| !beaten(claim, &best))
    }

    /// Answers to questions that were sent when a claim had been heard, by another than the best claimant so far. A claim
    /// reaches the client and the deposed node in one flood of the switch; `grace` is for that flood alone.
    #[must_use]
    pub fn stale(&self, from: Duration, to: Duration, grace: Duration) -> Vec<Answer> {
        self.stale_by(&self.claims, from, to, grace)
    }

    /// The same by the claims made since `from` alone: for a node that could hear none before.
    #[must_use]
    pub fn stale_since(&self, from: Duration, to: Duration, grace: Duration) -> Vec<Answer> {
        let heard = self.claims.partition_point(|claim| claim.at < from);
        self.stale_by(&self.claims[heard..], from, to, grace)
    }

    fn stale_by(&self, claims: &[Claim], from: Duration, to: Duration, grace: Duration) -> Vec<Answer> {
        let mut claims = claims.iter().peekable();
        let mut rightful: Option<Claim> = None;
        let mut stale = Vec::new();
        for question in &self.questions {
            while let Some(claim) = claims.next_if(|claim| claim.at + grace <= question.sent) {
                if rightful.is_none_or(|best| !beaten(claim, &best)) {
                    rightful = Some(*claim);
                }
            }
            let asked = question.sent >= from && question.sent < to;
            let Some(best) = rightful.filter(|_| asked) else {
                continue;
            };
            let deposed = |answer: &&Answer| answer.mac != best.mac && !self.claims_over(best, answer);
            stale.extend(question.answers.iter().filter(deposed));
        }
        stale
    }
}

/// Whether `claim` yields to `best`. Without orders the later word counts.
fn beaten(claim: &Claim, best: &Claim) -> bool {
    matches!((claim.order, best.order), (Some(new), Some(old)) if !new.beats(old))
        || claim.order.is_none() && best.order.is_some()
}

/// All addresses, and what else happened meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// By address.
    pub records: BTreeMap<IpAddr, Record>,
    /// What the test did, and when.
    pub marks: Vec<(Duration, String)>,
    /// The longest time the client itself sent nothing though it was due: a machine short of processors.
    pub longest_pause: Duration,
    /// From a question's sending to its answer's reading, of the first answers.
    pub round_trips: Vec<Duration>,
    /// Until when it was recorded.
    pub until: Duration,
}

impl Recording {
    pub(super) fn hear(&mut self, at: Duration, heard: Heard) {
        match heard {
            Heard::Answer { address, mac, number } => {
                let record = self.records.get_mut(&address);
                let trip = record.and_then(|record| record.answered(at, mac, number));
                if self.round_trips.len() < ROUND_TRIPS {
                    self.round_trips.extend(trip);
                }
            }
            Heard::Claim { address, mac, order } => {
                if let Some(record) = self.records.get_mut(&address) {
                    record.claims.push(Claim { at, mac, order });
                }
            }
        }
    }

    /// Until when every question has had its time.
    #[must_use]
    pub fn settled(&self) -> Duration {
        self.until.saturating_sub(IN_FLIGHT)
    }

    /// The longest silence of all addresses since a moment, and whose it was.
    #[must_use]
    pub fn worst(&self, from: Duration) -> Option<(IpAddr, Silence)> {
        let all = self.records.iter();
        let all = all.map(|(address, record)| (*address, record.silence(from, self.settled())));
        all.max_by_key(|(_, silence)| silence.length())
    }

    /// What the client saw of one address since a moment, and what the test did, in order.
    #[must_use]
    pub fn timeline(&self, address: IpAddr, from: Duration, name: &dyn Fn(MacAddress) -> String) -> String {
        let Some(record) = self.records.get(&address) else {
            return format!("{address} was not probed\n");
        };
        let mut rows: Vec<(Duration, String)> = self.marks.clone();
        rows.extend(record.claims.iter().map(|claim| {
            let order = claim.order.map_or_else(
                || "no order".into(),
                |order| format!("{}.{}", order.epoch, order.rank),
            );
            (claim.at, format!("claim by {} ({order})", name(claim.mac)))
        }));
        for silence in record.silences(from, self.settled()) {
            rows.push((
                silence.from,
                format!("silence begins: {} unanswered", silence.lost),
            ));
            rows.push((
                silence.to,
                format!("silence ends after {:.3} s", silence.length().as_secs_f64()),
            ));
        }
        let mut last = None;
        for answer in record
            .between(from, self.until)
            .flat_map(|question| &question.answers)
        {
            if last != Some(answer.mac) {
                rows.push((answer.at, format!("answers by {}", name(answer.mac))));
                last = Some(answer.mac);
            }
        }
        rows.retain(|(at, _)| *at + Duration::from_secs(1) >= from);
        rows.sort_by_key(|(at, _)| *at);
        let mut text = format!("what the client saw of {address}:\n");
        for (at, what) in rows {
            let seconds = at.as_secs_f64() - from.as_secs_f64();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{seconds:>+9.3}s  {what}");
        }
        text
    }
}

#[cfg(test)]
mod tests;
