//! The way to the API server and back, and the watches that tell what was written.

use super::MS;
use super::api::{Caller, News, Request, WRITE_LIMIT, What};
use super::event::{Event, ForAgent, ForOperator};
use super::world::World;

impl World {
    fn reaches_api(&self, caller: Caller) -> bool {
        let number = self.number_of(caller);
        self.unreachable[number] == 0
    }

    fn number_of(&self, caller: Caller) -> usize {
        match caller {
            Caller::Agent { node, .. } => node,
            Caller::Operator { .. } => self.nodes.len(),
        }
    }

    /// Whether who asked is there still: its watch ends with it.
    fn is_running(&self, caller: Caller) -> bool {
        match caller {
            Caller::Agent { node, run } => self.nodes[node].run == run,
            Caller::Operator { run } => self.operator.run == run,
        }
    }

    /// Sends a request to the API server, and returns its number.
    pub(super) fn request(&mut self, caller: Caller, what: What) -> u64 {
        self.number += 1;
        let id = self.number;
        if self.reaches_api(caller) {
            let (least, most) = self.shape.api;
            let mut wait = self.dice.between(least, most);
            if self.api.lossy > 0 && self.dice.permille(250) {
                wait += self.dice.between(0, WRITE_LIMIT);
            }
            self.push(wait, Event::Request(Request { caller, id, what }));
        }
        id
    }

    pub(super) fn serve(&mut self, request: Request) {
        if self.api.down > 0 {
            return;
        }
        if self.api.frozen > 0 {
            self.api.held.push((self.now, request));
            return;
        }
        let Request { caller, id, what } = request;
        let number = self.number_of(caller);
        if matches!(what, What::List) && self.is_running(caller) {
            self.api.streams[number].is_open = true;
        }
        let (answer, news) = self.api.carry_out(what);
        match &news {
            Some(News::Lease(service, _, binding)) => {
                self.judge.committed(self.now, service, binding);
                let (holder, epoch, primary) = (&binding.holder, binding.transitions, &binding.order.primary);
                self.tell(|| format!("api: {service} is {holder}'s at {epoch}, its primary {primary}"));
            }
            Some(News::Deleted(service, _)) => self.tell(|| format!("api: {service} is unbound")),
            _ => {}
        }
        if let Some(news) = news {
            self.spread(&news);
        }
        let is_lost = self.api.lossy > 0 && self.dice.permille(250);
        if is_lost || !self.reaches_api(caller) {
            return;
        }
        let wait = self.dice.between(self.shape.api.0, self.shape.api.1);
        match caller {
            Caller::Agent { node, run } => {
                let what = ForAgent::Answer(id, answer);
                self.push(wait, Event::Agent { node, run, what });
            }
            Caller::Operator { run } => {
                let what = ForOperator::Answer(id, answer);
                self.push(wait, Event::Operator { run, what });
            }
        }
    }

    /// Tells every open watch.
    fn spread(&mut self, news: &News) {
        for number in 0..self.api.streams.len() {
            let is_operator = number == self.nodes.len();
            let is_meant = match news {
                News::Lease(..) | News::Deleted(..) | News::Members(_) => true,
                News::Beat(..) => is_operator,
            };
            if !is_meant || !self.api.streams[number].is_open {
                continue;
            }
            if self.unreachable[number] > 0 {
                self.break_stream(number);
                continue;
            }
            let (least, most) = self.shape.news;
            let at = (self.now + self.dice.between(least, most)).max(self.api.streams[number].last);
            self.api.streams[number].last = at;
            let event = if is_operator {
                let (run, what) = (self.operator.run, ForOperator::News(news.clone()));
                Event::Operator { run, what }
            } else {
                let (run, what) = (self.nodes[number].run, ForAgent::News(news.clone()));
                Event::Agent {
                    node: number,
                    run,
                    what,
                }
            };
            self.push(at - self.now, event);
        }
    }

    /// A watch breaks; who watches notices a little later.
    pub(super) fn break_stream(&mut self, number: usize) {
        self.api.streams[number].is_open = false;
        let wait = self.dice.between(10 * MS, 2000 * MS);
        if number == self.nodes.len() {
            let (run, what) = (self.operator.run, ForOperator::Broken);
            self.push(wait, Event::Operator { run, what });
        } else {
            self.later(number, wait, ForAgent::Broken);
        }
    }
}
