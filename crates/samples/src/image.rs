//! A driver binary in parts: what a linker would hold before it lays the file out.

use crate::code::{Function, Surroundings, function};
use crate::resource;
use crate::rng::Rng;
use crate::sign;

/// The parts of one image. `pe` turns it into a file and back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) timestamp_s: u32,
    pub(crate) debug_guid: [u8; 16],
    pub(crate) functions: Vec<Function>,
    /// Read-only data: string tables and constants.
    pub(crate) constants: Vec<u8>,
    /// Functions whose addresses stand in the data section.
    pub(crate) pointers: Vec<u32>,
    /// The rest of the data section.
    pub(crate) data: Vec<u8>,
    /// The resource directory, laid out as if it began at address 0.
    pub(crate) resource: Vec<u8>,
    pub(crate) kernel_mode: bool,
    /// Room that the linker leaves behind the code, so that small growth does not move the other sections.
    pub(crate) code_slack_bytes: u32,
    pub(crate) signed: bool,
}

impl Image {
    /// A new image of about `bytes` for the file called `file_name`.
    pub(crate) fn new(rng: &mut Rng, file_name: &str, version: [u16; 4], bytes: usize) -> Image {
        let body = bytes.saturating_sub(sign::TYPICAL_BYTES).max(4096);
        let constants = constants(rng, body * 18 / 100);
        let count = (body * 70 / 100 / 265).max(4) as u32;
        let around = Surroundings { functions: count, data_bytes: constants.len() as u32 };
        Image {
            timestamp_s: 1_500_000_000 + rng.below(200_000_000) as u32,
            debug_guid: guid(rng),
            functions: (0..count).map(|number| function(rng, number, around)).collect(),
            pointers: (0..count / 10).map(|_| rng.below(count as usize) as u32).collect(),
            data: data(rng, body * 4 / 100),
            constants,
            resource: resource::version_resource(file_name, version),
            kernel_mode: file_name.to_ascii_lowercase().ends_with(".sys"),
            code_slack_bytes: if rng.chance(0.5) { 4096 } else { 0 },
            signed: rng.chance(0.83),
        }
    }

    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings { functions: self.functions.len() as u32, data_bytes: self.constants.len() as u32 }
    }
}

pub(crate) fn guid(rng: &mut Rng) -> [u8; 16] {
    let mut guid = [0; 16];
    rng.fill(&mut guid);
    guid
}

const WORDS: [&str; 40] = [
    "Device",
    "Adapter",
    "Queue",
    "Buffer",
    "Initialize",
    "Start",
    "Stop",
    "Power",
    "Request",
    "Complete",
    "Transfer",
    "Endpoint",
    "Register",
    "Interrupt",
    "Handler",
    "Context",
    "Pool",
    "Allocate",
    "Release",
    "Firmware",
    "Channel",
    "Stream",
    "Format",
    "Volume",
    "Status",
    "Invalid",
    "Timeout",
    "Retry",
    "Link",
    "State",
    "Control",
    "Descriptor",
    "Interface",
    "Version",
    "Mode",
    "Notify",
    "Event",
    "Reset",
    "Sample",
    "Frame",
];

/// One message such as a driver logs.
pub(crate) fn message(rng: &mut Rng) -> String {
    let count = rng.between(2, 6);
    let words: Vec<&str> = (0..count).map(|_| *rng.pick(&WORDS)).collect();
    format!("{}: 0x{:04x}", words.join(" "), rng.below(65_536))
}

/// UTF-16 message tables, with tables of small numbers in between.
fn constants(rng: &mut Rng, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 256);
    while out.len() < bytes {
        if rng.chance(0.7) {
            out.extend(message(rng).encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        } else {
            out.extend((0..rng.between(4, 32)).flat_map(|_| (rng.below(5000) as u32).to_le_bytes()));
        }
    }
    out.resize(out.len().next_multiple_of(16), 0);
    out
}

/// Half zeros, half random tables.
fn data(rng: &mut Rng, bytes: usize) -> Vec<u8> {
    let mut out = rng.bytes(bytes / 4);
    out.resize((bytes + 16).next_multiple_of(16), 0);
    out
}
