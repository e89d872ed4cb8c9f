//! Large files (disk images, graphics drivers), written and changed piece by piece in bounded memory.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use crate::code;
use crate::image::message;
use crate::rng::Rng;

/// Pieces are made and changed one at a time; this bounds the memory.
const PIECE_BYTES: usize = 1 << 20;

/// Writes a file of exactly `bytes`.
pub(crate) fn write(path: &Path, rng: &mut Rng, bytes: usize) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut left = bytes;
    while left > 0 {
        let size = left.min(PIECE_BYTES);
        out.write_all(&piece(rng, size))?;
        left -= size;
    }
    out.flush()
}

/// Makes the next release of the file: one piece in twenty is new, one in three gets insertions that move
/// everything behind them.
pub(crate) fn change(path: &Path, rng: &mut Rng) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut from = BufReader::new(File::open(path)?);
    let mut out = BufWriter::new(File::create(&next)?);
    let mut number = 0;
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        from.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        match rng.unit() {
            draw if draw < 0.05 && number > 0 => piece = self::piece(rng, piece.len()),
            // The first piece always changes, so that no file is left as it was.
            draw if draw < 0.35 || number == 0 => edit(&mut piece, rng),
            _ => {}
        }
        out.write_all(&piece)?;
        number += 1;
    }
    out.flush()?;
    std::fs::rename(next, path)
}

fn edit(piece: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.between(4, 24) {
        let at = rng.below(piece.len());
        let size = rng.between(8, 512);
        let inserted = code::plain(rng, size);
        piece.splice(at..at, inserted);
    }
}

/// Code, packed data, texts or zeros.
fn piece(rng: &mut Rng, bytes: usize) -> Vec<u8> {
    match rng.unit() {
        draw if draw < 0.60 => code::plain(rng, bytes),
        draw if draw < 0.85 => rng.bytes(bytes),
        draw if draw < 0.95 => {
            let mut out = Vec::with_capacity(bytes + 256);
            while out.len() < bytes {
                out.extend_from_slice(message(rng).as_bytes());
            }
            out.truncate(bytes);
            out
        }
        _ => vec![0; bytes],
    }
}
