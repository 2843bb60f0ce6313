//! The sizes of a record, `length u16 | ciphertext`, and the padding that blurs what is in it.

use crate::WireError;

/// The length field in front of every record.
pub const HEADER: usize = 2;
/// The authentication tag at the end of every ciphertext (ChaCha20-Poly1305, RFC 8439).
pub const TAG: usize = 16;
/// The greatest plaintext of a record.
pub const MAX_PLAINTEXT: usize = 16_384;
/// The greatest ciphertext of a record; the smallest is [`TAG`] + 1.
pub const MAX_CIPHERTEXT: usize = MAX_PLAINTEXT + TAG;
/// The greatest record, header included.
pub const MAX_RECORD: usize = HEADER + MAX_CIPHERTEXT;

const FINE_UNTIL: usize = 1024;
const FINE: usize = 128;
const COARSE: usize = 1024;

/// The length of a plaintext of `length` bytes once padded: the next multiple of 128 up to 1,024,
/// above that the next multiple of 1,024. An empty plaintext becomes 128 bytes.
#[must_use]
pub const fn padded(length: usize) -> usize {
    match length {
        0 => FINE,
        1..=FINE_UNTIL => length.next_multiple_of(FINE),
        _ => length.next_multiple_of(COARSE),
    }
}

/// Whether a plaintext may have this length. A peer that doesn't pad is refused, so that a broken
/// implementation is noticed before it has told an observer the length of every key press.
#[must_use]
pub const fn is_padded(length: usize) -> bool {
    length > 0 && length <= MAX_PLAINTEXT && padded(length) == length
}

/// Reads a record's header: the length of the ciphertext behind it.
///
/// # Errors
/// [`WireError::Invalid`] unless 16 < length ≤ 16,400.
pub const fn ciphertext_length(header: [u8; HEADER]) -> Result<usize, WireError> {
    let length = u16::from_be_bytes(header) as usize;
    if length <= TAG || length > MAX_CIPHERTEXT {
        return Err(WireError::invalid("record", "its length is not within 17 and 16,400"));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_hides_lengths_in_the_documented_steps() {
        let steps = [(0, 128), (1, 128), (128, 128), (129, 256), (1024, 1024), (1025, 2048)];
        for (length, expected) in steps {
            assert_eq!(padded(length), expected);
        }
        assert_eq!(padded(16_384), MAX_PLAINTEXT);
        assert_eq!((1..=MAX_PLAINTEXT).filter(|length| is_padded(*length)).count(), 8 + 15);
    }

    #[test]
    fn a_length_that_could_exhaust_memory_or_hold_no_byte_is_refused() {
        let accepted: Vec<_> = (0..=u16::MAX)
            .filter(|length| ciphertext_length(length.to_be_bytes()).is_ok())
            .collect();
        assert_eq!((accepted.first(), accepted.last()), (Some(&17), Some(&16_400)));
    }
}
