//! What a vendor's build does to a binary between two releases, with the frequencies measured on real drivers.

use crate::code::{self, Function, Target, function};
use crate::image::{Image, guid, message};
use crate::resource;
use crate::rng::Rng;

const SECONDS_PER_DAY: usize = 86_400;

/// Makes the next release of the image.
pub(crate) fn rebuild(image: &mut Image, version: [u16; 4], rng: &mut Rng) {
    image.timestamp_s += rng.between(30 * SECONDS_PER_DAY, 120 * SECONDS_PER_DAY) as u32;
    image.debug_guid = guid(rng);
    resource::set_version(&mut image.resource, version);
    match rng.unit() {
        draw if draw < 0.15 => return, // rebuilt, nothing changed
        draw if draw < 0.40 => edit_in_place(image, rng),
        draw if draw < 0.82 => {
            let share = 0.02 + 0.08 * rng.unit();
            edit_lengths(image, share, rng);
            replace_functions(image, share, rng);
        }
        _ => large_change(image, rng),
    }
    edit_constants(image, rng);
}

/// So many of the functions, at least one.
fn some(image: &Image, share: f64, rng: &mut Rng) -> Vec<usize> {
    let count = image.functions.len();
    (0..((count as f64 * share) as usize).max(1)).map(|_| rng.below(count)).collect()
}

fn edit_in_place(image: &mut Image, rng: &mut Rng) {
    let share = 0.001 + 0.02 * rng.unit();
    for number in some(image, share, rng) {
        // The first bytes never hold a reference.
        let bytes = &mut image.functions[number].bytes[2..10];
        let replacement = code::plain(rng, bytes.len());
        bytes.copy_from_slice(&replacement);
    }
}

/// Inserts instructions, so that everything behind moves.
fn edit_lengths(image: &mut Image, share: f64, rng: &mut Rng) {
    for number in some(image, share, rng) {
        let size = rng.between(4, 160);
        let inserted = code::plain(rng, size);
        let function = &mut image.functions[number];
        let at = gap(function, rng.below(function.bytes.len()));
        function.bytes.splice(at..at, inserted);
        for reference in function.references.iter_mut().filter(|reference| reference.at as usize >= at) {
            reference.at += size as u32;
        }
    }
}

/// The nearest place at or before `at` that does not tear a reference or its opcode apart.
fn gap(function: &Function, at: usize) -> usize {
    let torn = function.references.iter().find(|reference| {
        let start = reference.at as usize;
        start.saturating_sub(code::LOAD.len()) < at && at < start + 4
    });
    torn.map_or(at, |reference| (reference.at as usize).saturating_sub(code::LOAD.len()).max(1))
}

/// A new compiler or a new feature: many functions differ, and there are more of them.
fn large_change(image: &mut Image, rng: &mut Rng) {
    let share = 0.20 + 0.40 * rng.unit();
    replace_functions(image, share, rng);
    let added = (image.functions.len() as f64 * (0.05 + 0.35 * rng.unit())) as usize;
    insert_functions(image, added, rng);
}

fn replace_functions(image: &mut Image, share: f64, rng: &mut Rng) {
    let around = image.surroundings();
    for number in some(image, share, rng) {
        image.functions[number] = function(rng, number as u32, around);
    }
}

/// Adds `count` functions in a row somewhere in the middle; every reference follows its target.
fn insert_functions(image: &mut Image, count: usize, rng: &mut Rng) {
    let at = rng.below(image.functions.len());
    let moved = |number: u32| if number as usize >= at { number + count as u32 } else { number };
    for reference in image.functions.iter_mut().flat_map(|function| &mut function.references) {
        if let Target::Function(number) = reference.target {
            reference.target = Target::Function(moved(number));
        }
    }
    for pointer in &mut image.pointers {
        *pointer = moved(*pointer);
    }
    let mut around = image.surroundings();
    around.functions += count as u32;
    let added: Vec<Function> = (0..count).map(|number| function(rng, (at + number) as u32, around)).collect();
    image.functions.splice(at..at, added);
}

fn edit_constants(image: &mut Image, rng: &mut Rng) {
    let edits = image.constants.len() / 1500 + 1;
    for _ in 0..edits {
        let text: Vec<u8> = message(rng).encode_utf16().flat_map(u16::to_le_bytes).collect();
        let room = image.constants.len().saturating_sub(text.len());
        let at = rng.below(room) & !1;
        if let Some(place) = image.constants.get_mut(at..at + text.len()) {
            place.copy_from_slice(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pe;

    #[test]
    fn rebuilt_images_survive_the_file() {
        for seed in 0..40 {
            let mut rng = Rng::new(seed);
            let mut image = Image::new(&mut rng, "sample.sys", [1, 2, 3, 4], 60_000);
            let before = pe::encode(&image, &mut rng);
            rebuild(&mut image, [1, 2, 4, 0], &mut rng);
            let after = pe::encode(&image, &mut rng);
            assert_ne!(before, after, "seed {seed}");
            assert_eq!(pe::decode(&after).as_ref(), Some(&image), "seed {seed}");
        }
    }
}
