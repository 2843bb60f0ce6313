//! The ways in which bytes are altered.

use rand_core::Rng;

use crate::support::SeededRng;

/// Anything but `genuine`.
pub(crate) fn alter(rng: &mut SeededRng, genuine: &[u8]) -> Vec<u8> {
    let mut bytes = genuine.to_vec();
    let at = below(rng, genuine.len() + 1);
    match below(rng, 8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..(at + 1 + below(rng, 16)).min(genuine.len()))),
        2 => drop(bytes.splice(at..at, made_up(rng, 24))),
        3 => bytes.extend(made_up(rng, 300)),
        4 => bytes.extend_from_slice(genuine),
        5 => bytes = made_up(rng, 600),
        _ => bytes = alter_in_place(rng, genuine),
    }
    if bytes == genuine {
        bytes.push(0);
    }
    bytes
}

/// Anything of the same length but `genuine`.
pub(crate) fn alter_in_place(rng: &mut SeededRng, genuine: &[u8]) -> Vec<u8> {
    let mut bytes = genuine.to_vec();
    if bytes.is_empty() {
        return bytes;
    }
    let (at, end) = (below(rng, bytes.len()), 1 + below(rng, bytes.len()));
    match below(rng, 5) {
        0 => rng.fill_bytes(&mut bytes),
        1 => bytes[at.min(end)..end.max(at)].fill(0),
        2 => bytes.rotate_left(at),
        _ => {
            for _ in 0..1 + below(rng, 3) {
                let at = below(rng, bytes.len());
                bytes[at] ^= 1 << below(rng, 8);
            }
        }
    }
    if bytes == genuine {
        bytes[at] ^= 1;
    }
    bytes
}

fn made_up(rng: &mut SeededRng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; 1 + below(rng, most)];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A number below `end`, or 0.
pub(crate) fn below(rng: &mut SeededRng, end: usize) -> usize {
    (rng.next_u64() % end.max(1) as u64) as usize
}
