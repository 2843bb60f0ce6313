//! An input read as decisions, front to back: what happens next, to which message, with which bytes.

/// The input that is left. Past its end every decision is 0, which always means the most ordinary
/// thing, so that a short input is a whole story too.
pub(crate) struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn number(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    /// A number below `end`; 0 when there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.number()).checked_rem(end).unwrap_or(0)
    }

    /// The next bytes, with zeros for those that are missing.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.bytes(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    /// The next `length` bytes, or as many as there are.
    pub(crate) fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// What somebody on the way makes of a message: often nothing, then changed, missing, added or
    /// made-up bytes.
    pub(crate) fn tamper(&mut self, genuine: &[u8]) -> Vec<u8> {
        let mut message = genuine.to_vec();
        match self.byte() % 8 {
            0 | 1 => {}
            2 => {
                for _ in 0..=self.byte() % 4 {
                    let (at, change) = (self.below(message.len()), self.byte());
                    if let Some(byte) = message.get_mut(at) {
                        *byte ^= change;
                    }
                }
            }
            3 => message.truncate(self.below(genuine.len() + 1)),
            4 => {
                let length = usize::from(self.byte());
                message.extend_from_slice(self.bytes(length));
            }
            5 => {
                let made_up = self.bytes(genuine.len());
                message[..made_up.len()].copy_from_slice(made_up);
            }
            6 => {
                let length = usize::from(self.byte());
                message = self.bytes(length).to_vec();
            }
            _ => {
                let middle = self.below(genuine.len() + 1);
                message.rotate_left(middle);
            }
        }
        message
    }
}
