use super::*;

const A: MacAddress = MacAddress([2, 0, 0, 0, 1, 1]);
const B: MacAddress = MacAddress([2, 0, 0, 0, 1, 2]);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A question every ten milliseconds; each letter says who answers it.
fn record(answers: &str) -> Record {
    let mut record = Record::default();
    for (index, letter) in answers.chars().enumerate() {
        let sent = ms(10 * index as u64);
        let by = |macs: &[MacAddress]| {
            macs.iter()
                .map(|mac| Answer {
                    at: sent + ms(1),
                    mac: *mac,
                })
                .collect()
        };
        let answers = match letter {
            'a' => by(&[A]),
            'b' => by(&[B]),
            '2' => by(&[A, B]),
            _ => Vec::new(),
        };
        record.questions.push(Question { sent, answers });
    }
    record
}

fn claim(at: u64, mac: MacAddress, epoch: u32) -> Claim {
    Claim {
        at: ms(at),
        mac,
        order: Some(Order { epoch, rank: 0 }),
    }
}

#[test]
fn silence_is_from_the_first_lost_question_to_the_next_answered_one() {
    let record = record("aa...b.b");
    let lengths: Vec<_> = record
        .silences(ms(0), ms(1000))
        .iter()
        .map(Silence::length)
        .collect();
    assert_eq!(lengths, [ms(30), ms(10)]);
    assert_eq!(record.silence(ms(0), ms(1000)).lost, 3);
    assert_eq!(record.answerers(ms(0), ms(1000)), [A, B]);
}

#[test]
fn who_hands_over_moves_once_and_who_comes_back_wanders() {
    let holders = |answers| record(answers).holders(ms(0), ms(1000));
    assert_eq!(holders("aa22bb"), [A, B]);
    assert_eq!(record("aa22bb").answerers(ms(0), ms(1000)), [A, B, A, B]);
    assert_eq!(holders("a.b2a."), [A, B, A]);
    assert_eq!(holders("a2a"), [A]);
    assert_eq!(holders("..."), []);
}

#[test]
fn an_answer_of_the_deposed_after_the_claim_is_stale() {
    let mut record = record("aa2aab");
    record.claims.push(claim(15, B, 2));
    assert_eq!(record.stale(ms(0), ms(1000), ms(0)).len(), 3);
    assert_eq!(record.doubly_answered(ms(0), ms(1000)), 1);
}

#[test]
fn an_answer_of_who_could_not_hear_the_claim_is_stale_only_after_the_next() {
    let mut record = record("aaaaaa");
    record.claims = vec![claim(5, B, 2), claim(35, B, 2)];
    assert_eq!(record.stale(ms(20), ms(1000), ms(0)).len(), 4);
    assert_eq!(record.stale_since(ms(20), ms(1000), ms(0)).len(), 2);
}

#[test]
fn a_claim_of_lower_order_changes_nothing() {
    let mut record = record("bbbb");
    record.claims = vec![claim(0, B, 3), claim(5, A, 2)];
    assert_eq!(record.stale(ms(0), ms(1000), ms(0)), []);
}

#[test]
fn who_takes_over_may_answer_before_it_tells() {
    let mut record = record("aabbaa");
    record.claims = vec![claim(0, A, 1), claim(31, B, 2)];
    let stale = record.stale(ms(0), ms(1000), ms(2));
    assert_eq!(stale.iter().map(|answer| answer.mac).collect::<Vec<_>>(), [A, A]);
    record.claims.truncate(1);
    assert_eq!(record.stale(ms(0), ms(1000), ms(2)).len(), 2, "it never told");
}

#[test]
fn numbers_that_wrapped_find_their_question() {
    let mut record = Record::default();
    let count = NUMBERS + 10;
    record.questions = vec![Question::default(); count as usize];
    record.answered(ms(1), A, 3);
    record.answered(ms(1), A, NUMBERS - 1);
    assert_eq!(record.questions[NUMBERS as usize + 3].answers.len(), 1);
    assert_eq!(record.questions[NUMBERS as usize - 1].answers.len(), 1);
}
