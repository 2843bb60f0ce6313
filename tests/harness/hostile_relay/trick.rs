//! What a relay can do to the messages of one direction: a pure core that is handed each message
//! and says what becomes of it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

/// One attack on one direction of a pipe. Messages are counted from 0, the handshake included;
/// bytes as well.
#[derive(Debug, Clone)]
pub enum Trick {
    /// Leaves a message out.
    Drop(usize),
    /// Sends a message behind the one after it.
    Swap(usize),
    /// Sends a message a second time, so many messages later; 0 is at once.
    Repeat {
        /// The message.
        message: usize,
        /// How many others pass in between.
        later: usize,
    },
    /// Puts bytes in front of a message.
    Insert {
        /// The message.
        before: usize,
        /// What is put in.
        bytes: Bytes,
    },
    /// Sends other bytes in place of a message.
    Replace {
        /// The message.
        message: usize,
        /// What goes in its place.
        by: Bytes,
    },
    /// Flips bits of one byte.
    Flip {
        /// The byte.
        at: u64,
        /// The bits.
        mask: u8,
    },
    /// Ends the direction in front of a byte.
    Cut {
        /// The byte.
        at: u64,
        /// How it ends.
        how: Cut,
    },
    /// Ends the direction in front of a message.
    CutBefore {
        /// The message.
        message: usize,
        /// How it ends.
        how: Cut,
    },
    /// Sends a message back to whoever sent it, in place of where it belongs.
    Reflect(usize),
    /// From a message on, all go into the other of two joined pipes.
    Cross(usize),
    /// Holds every message up.
    Delay(Duration),
}

/// How a direction is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// As if the sender had ended it.
    InOrder,
    /// As if the sender had given it up.
    Abort,
}

/// What the relay does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Send(To, Bytes),
    Wait(Duration),
    Cut(Cut),
}

/// To whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// Where it belongs.
    Peer,
    /// Back to where it came from.
    Sender,
    /// The other pipe's end.
    Other,
}

/// A direction under attack.
#[derive(Debug)]
pub(super) struct Meddler {
    trick: Option<Trick>,
    /// Messages and bytes that have arrived.
    messages: usize,
    bytes: u64,
    held: Option<Bytes>,
    /// The trick was carried out.
    pub(super) has_struck: bool,
}

impl Meddler {
    /// Without a trick everything passes.
    pub(super) const fn new(trick: Option<Trick>) -> Self {
        Self { trick, messages: 0, bytes: 0, held: None, has_struck: false }
    }

    /// What becomes of the next message.
    pub(super) fn pass(&mut self, message: &Bytes) -> Vec<Step> {
        let number = self.messages;
        let range = self.bytes..self.bytes + message.len() as u64;
        self.messages += 1;
        self.bytes = range.end;
        let peer = |bytes: &Bytes| Step::Send(To::Peer, bytes.clone());
        let honest = vec![peer(message)];
        let index = |at: &u64| (*at - range.start) as usize;
        let steps = match &self.trick {
            Some(Trick::Drop(at)) if *at == number => vec![],
            Some(Trick::Swap(at)) if *at == number => {
                self.held = Some(message.clone());
                return vec![];
            }
            Some(Trick::Swap(at)) if at + 1 == number => {
                vec![peer(message), peer(&self.held.take().unwrap_or_default())]
            }
            Some(Trick::Repeat { message: at, later }) if *at == number => {
                if *later > 0 {
                    self.held = Some(message.clone());
                    return honest;
                }
                vec![peer(message), peer(message)]
            }
            Some(Trick::Repeat { message: at, later }) if at + later == number => {
                vec![peer(message), peer(&self.held.take().unwrap_or_default())]
            }
            Some(Trick::Insert { before, bytes }) if *before == number => {
                vec![peer(bytes), peer(message)]
            }
            Some(Trick::Replace { message: at, by }) if *at == number => vec![peer(by)],
            Some(Trick::Flip { at, mask }) if range.contains(at) => {
                let mut bent = BytesMut::from(message.as_ref());
                bent[index(at)] ^= mask;
                vec![peer(&bent.freeze())]
            }
            Some(Trick::Cut { at, how }) if range.contains(at) => {
                vec![peer(&message.slice(..index(at))), Step::Cut(*how)]
            }
            Some(Trick::CutBefore { message: at, how }) if *at == number => vec![Step::Cut(*how)],
            Some(Trick::Reflect(at)) if *at == number => {
                vec![Step::Send(To::Sender, message.clone())]
            }
            Some(Trick::Cross(at)) if *at <= number => vec![Step::Send(To::Other, message.clone())],
            Some(Trick::Delay(time)) => vec![Step::Wait(*time), peer(message)],
            Some(
                Trick::Drop(_)
                | Trick::Swap(_)
                | Trick::Repeat { .. }
                | Trick::Insert { .. }
                | Trick::Replace { .. }
                | Trick::Flip { .. }
                | Trick::Cut { .. }
                | Trick::CutBefore { .. }
                | Trick::Reflect(_)
                | Trick::Cross(_),
            )
            | None => return honest,
        };
        self.has_struck = true;
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the peer gets of the messages `0`, `1`, `2`, `3`.
    fn carry(trick: Trick) -> String {
        let mut meddler = Meddler::new(Some(trick));
        let steps = ["00", "11", "22", "33"].map(|text| meddler.pass(&Bytes::from(text)));
        assert!(meddler.has_struck);
        let told = steps.into_iter().flatten().map(|step| match step {
            Step::Send(To::Peer, bytes) => String::from_utf8(bytes.to_vec()).expect("text"),
            Step::Send(To::Sender, _) => "<".to_owned(),
            Step::Send(To::Other, _) => "x".to_owned(),
            Step::Wait(_) => "_".to_owned(),
            Step::Cut(_) => "|".to_owned(),
        });
        told.collect()
    }

    #[test]
    fn each_trick_does_what_it_says_and_nothing_else() {
        let put = || Bytes::from("new");
        let how = Cut::InOrder;
        let table = [
            (Trick::Drop(1), "002233"),
            (Trick::Swap(1), "00221133"),
            (Trick::Repeat { message: 1, later: 0 }, "0011112233"),
            (Trick::Repeat { message: 1, later: 2 }, "0011223311"),
            (Trick::Insert { before: 2, bytes: put() }, "0011new2233"),
            (Trick::Replace { message: 2, by: put() }, "0011new33"),
            (Trick::Flip { at: 3, mask: 1 }, "00102233"),
            (Trick::Cut { at: 3, how }, "001|2233"),
            (Trick::CutBefore { message: 1, how }, "00|2233"),
            (Trick::Reflect(3), "001122<"),
            (Trick::Cross(2), "0011xx"),
            (Trick::Delay(Duration::ZERO), "_00_11_22_33"),
        ];
        for (trick, expected) in table {
            assert_eq!(carry(trick.clone()), expected, "{trick:?}");
        }
    }
}
