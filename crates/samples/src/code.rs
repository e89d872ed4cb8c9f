//! Code-like bytes: functions of instructions with relative references to each other.
//!
//! Real drivers compress to about 0.4 and, rebuilt after a small edit, differ almost everywhere because every address
//! behind the edit moves. Both come from here: a skewed vocabulary of instructions, and references whose bytes are
//! computed from the final layout.

use std::sync::OnceLock;

use crate::rng::Rng;

/// A call: this byte, then the distance to a function's first byte. No instruction contains the byte, so references
/// are found again in a finished image.
pub(crate) const CALL: u8 = 0xE8;
/// A load of a data address: these bytes, then the distance.
pub(crate) const LOAD: [u8; 3] = [0x48, 0x8D, 0x0D];

const INSTRUCTIONS: usize = 250;
/// Functions that several binaries share, as a C runtime or a vendor's own library is shared.
const SHARED_FUNCTIONS: usize = 4000;

/// What a reference points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The start of the function with this number.
    Function(u32),
    /// This offset in the read-only data.
    Data(u32),
}

/// A four-byte distance inside a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) at: u32,
    pub(crate) target: Target,
}

/// One function; the bytes at its references are zero until the layout is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) bytes: Vec<u8>,
    pub(crate) references: Vec<Reference>,
}

/// What functions may refer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    pub(crate) functions: u32,
    pub(crate) data_bytes: u32,
}

/// A new function at place `number` of an image: one in four comes from the shared library.
pub(crate) fn function(rng: &mut Rng, number: u32, around: Surroundings) -> Function {
    let mut bytes_rng = if rng.chance(0.25) {
        Rng::new(rng.below(SHARED_FUNCTIONS) as u64)
    } else {
        Rng::new(rng.next_u64())
    };
    let size = (bytes_rng.log_normal(180.0, 0.9) as usize).clamp(32, 2048);
    let mut function = Function::default();
    let mut until_reference = bytes_rng.between(8, 22);
    let mut previous = 0;
    while function.bytes.len() < size {
        if until_reference > 0 {
            previous = instruction(&mut function.bytes, &mut bytes_rng, previous);
            until_reference -= 1;
            continue;
        }
        until_reference = bytes_rng.between(1, 4);
        let load = bytes_rng.chance(0.3);
        reference(&mut function, rng, load && around.data_bytes > 0, number, around);
    }
    function.bytes.push(0xC3);
    function
}

/// Code-like bytes without references, for the inside of large files.
pub(crate) fn plain(rng: &mut Rng, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 16);
    let mut previous = 0;
    while out.len() < bytes {
        previous = instruction(&mut out, rng, previous);
    }
    out.truncate(bytes);
    out
}

fn reference(function: &mut Function, rng: &mut Rng, load: bool, number: u32, around: Surroundings) {
    let target = if load {
        function.bytes.extend_from_slice(&LOAD);
        Target::Data(rng.below(around.data_bytes as usize) as u32 & !7)
    } else {
        function.bytes.push(CALL);
        Target::Function(callee(rng, number, around.functions))
    };
    function.references.push(Reference { at: function.bytes.len() as u32, target });
    function.bytes.extend_from_slice(&[0; 4]);
}

/// Mostly a neighbor, else one of the few functions that everything calls.
fn callee(rng: &mut Rng, number: u32, functions: u32) -> u32 {
    if rng.chance(0.4) {
        let near = i64::from(number) + rng.below(33) as i64 - 16;
        return near.clamp(0, i64::from(functions) - 1) as u32;
    }
    let skew = rng.unit();
    (f64::from(functions) * skew * skew * skew) as u32
}

/// Appends one instruction; what follows what is skewed, as in real code. Returns its number.
fn instruction(out: &mut Vec<u8>, rng: &mut Rng, previous: usize) -> usize {
    let number = if rng.chance(0.6) {
        (previous * 7 + 3) % INSTRUCTIONS // the idiom goes on
    } else {
        let skew = rng.unit();
        (INSTRUCTIONS as f64 * skew * skew * skew * skew) as usize
    };
    out.extend_from_slice(&vocabulary()[number]);
    if number % 8 == 0 {
        out.push(without_call(rng.next_u64() as u8)); // an operand
    }
    number
}

fn vocabulary() -> &'static [Vec<u8>] {
    static VOCABULARY: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    VOCABULARY.get_or_init(|| {
        let mut rng = Rng::new(0x00C0_FFEE);
        (0..INSTRUCTIONS)
            .map(|_| {
                let size = rng.between(2, 6);
                rng.bytes(size).into_iter().map(without_call).collect()
            })
            .collect()
    })
}

fn without_call(byte: u8) -> u8 {
    if byte == CALL || byte == LOAD[1] { 0x90 } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AROUND: Surroundings = Surroundings { functions: 100, data_bytes: 4096 };

    #[test]
    fn functions_hold_references_in_range() {
        let mut rng = Rng::new(1);
        for number in 0..100 {
            let function = function(&mut rng, number, AROUND);
            assert!(function.bytes.len() >= 33);
            for reference in &function.references {
                let at = reference.at as usize;
                assert_eq!(function.bytes[at..at + 4], [0; 4]);
                match reference.target {
                    Target::Function(target) => assert!(target < 100),
                    Target::Data(offset) => assert!(offset < 4096),
                }
            }
        }
    }

    #[test]
    fn no_stray_reference_bytes() {
        let bytes = plain(&mut Rng::new(2), 100_000);
        assert!(!bytes.contains(&CALL) && !bytes.windows(3).any(|three| three == LOAD));
    }
}
