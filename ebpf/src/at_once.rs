//! What most that is asked of us is: a plain request by ARP, in one piece, for an address that is answered. It is answered
//! by as few look-ups as there can be; whatever else comes up is left to the decision, which begins anew.

use aya_ebpf::{bindings::__sk_buff, programs::TcContext};
use lightship_abi::{
    arp,
    layout::ResponderValue,
    outcome::Outcome,
    verdict::arp::{self as arp_verdict, About},
};

use crate::{
    frame,
    tables::{self, Counter, Kernel},
};

/// What is returned, in place of a verdict, of a frame that cannot be answered at once.
pub(crate) const UNDECIDED: i32 = -3;

/// What can be seen of an ARP frame in place.
pub(crate) enum Seen {
    /// It is about none of our addresses.
    ForOthers,
    /// It asks for one of them.
    Asks(arp::Pair, Counter),
    /// It tells of one of them, or is out of reach: that is left to the decision, which sees the same first.
    More,
}

/// Looks at an ARP frame, as far as can be seen in place.
#[inline(always)]
pub(crate) fn seen(ctx: &TcContext) -> Seen {
    let ifindex = frame::arrival(ctx).ifindex;
    let Some(glance) = frame::arp_glance(ctx) else {
        return Seen::More;
    };
    match arp_verdict::about(&glance, ifindex, &Kernel) {
        None => Seen::ForOthers,
        Some(About::Asked(_, counter)) => Seen::Asks(glance.pair(), counter),
        Some(About::Told) => Seen::More,
    }
}

/// Answers a request whose entry is found already; says [`UNDECIDED`] of what comes to anything else than an answer to a
/// client.
#[inline(never)]
pub(crate) fn answer(skb: *mut __sk_buff, counter: *mut ResponderValue, sender: u32, target: u32) -> i32 {
    let ctx = &TcContext::new(skb);
    let mut room = frame::Room::new();
    let Some(frame) = room.read(ctx) else {
        return UNDECIDED;
    };
    let Some((head, padding)) = frame.split_first_chunk_mut() else {
        return UNDECIDED;
    };
    let (seen, ifindex) = (arp::Pair { sender, target }, frame::arrival(ctx).ifindex);
    let asked = (seen, ifindex, Counter(counter));
    let Some(counter) = arp_verdict::answer_at_once(head, asked, || padding.first_chunk().copied(), &Kernel)
    else {
        return UNDECIDED;
    };
    if frame::write(ctx, head).is_err() {
        return UNDECIDED;
    }
    counter.increment();
    tables::count(Outcome::Answered.slot());
    frame::send_back(ctx)
}
