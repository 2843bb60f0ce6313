//! Why a stream was reset, a session closed, or no more streams are taken.

macro_rules! codes {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
            /// A code that a later version gave a meaning.
            Other(u32),
        }

        impl $type {
            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The code with this number; every number has one.
            #[must_use]
            pub const fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    other => Self::Other(other),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::Other(number) => write!(f, "code {number}"),
                }
            }
        }
    };
}

codes! {
    /// Why a session was closed (frame CLOSE).
    CloseCode {
        /// Nothing more to say; every stream had ended.
        Done = 0 "done",
        /// The peer broke a rule of the protocol.
        Protocol = 1 "protocol violation",
        /// The peers have no version in common.
        Version = 2 "no common version",
        /// This device was removed from the machine.
        Revoked = 3 "this device was removed from the machine",
        /// The session reached its greatest age of 24 hours; a new one may be opened at once.
        Expired = 4 "the session reached its greatest age",
        /// The peer asks for more than this side can bear.
        Overload = 5 "overloaded",
        /// The program at this end is ending.
        Shutdown = 6 "shutting down",
        /// An error inside the program at this end.
        Internal = 7 "internal error",
    }
}

codes! {
    /// Why a stream was reset (frame RESET).
    ResetCode {
        /// Whoever asked no longer wants an answer.
        Cancelled = 0 "cancelled",
        /// The stream was not acted upon; asking again is safe.
        Refused = 1 "refused before anything was done",
        /// The other end reset this stream; this is the answer.
        Answered = 2 "answered a reset",
        /// What the stream carried can't be had any further.
        Broken = 3 "the source broke off",
        /// An error inside the program at this end.
        Internal = 4 "internal error",
    }
}

codes! {
    /// Why no more streams are taken (frame GOAWAY).
    GoAwayCode {
        /// The program at this end is ending.
        Shutdown = 0 "shutting down",
        /// The program at this end restarts; it will be back at once.
        Restart = 1 "restarting",
        /// The session nears its greatest age; open a new one.
        Age = 2 "the session nears its greatest age",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_kept_even_one_from_the_future() {
        for number in (0..64).chain([u32::MAX]) {
            assert_eq!(CloseCode::from_number(number).number(), number);
            assert_eq!(ResetCode::from_number(number).number(), number);
            assert_eq!(GoAwayCode::from_number(number).number(), number);
        }
    }
}
