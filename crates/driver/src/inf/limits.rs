//! How much of a file somebody else wrote is read. The largest INF file known from real collections has 3.3 MB; the
//! longest line has 163 KB, the most models lines are 4502.

/// Bytes of a file.
pub const FILE_BYTES_MAX: usize = 16 << 20;
/// Lines of a file, blank ones included.
pub const LINES_MAX: u32 = 1 << 20;
/// Bytes of one line in UTF-8, continuations included.
pub const LINE_BYTES_MAX: usize = 512 << 10;
/// Section headers of a file.
pub const SECTIONS_MAX: usize = 1 << 16;
/// Entries of a file: lines with something in them.
pub const ENTRIES_MAX: usize = 1 << 18;
/// Values of a file, all entries together.
pub const FIELDS_MAX: usize = 1 << 20;
/// Languages with a Strings section.
pub const LANGUAGES_MAX: usize = 256;
/// Descriptions, install sections and ids in the models lines that the manufacturer lines reach, each as often as it
/// is reached.
pub const MODELS_VALUES_MAX: usize = 1 << 18;
/// Bytes of a decoration. The longest that means something has about 50.
pub const DECORATION_BYTES_MAX: usize = 64;
/// Entries of a section of a txtsetup.oem.
pub const OEM_ENTRIES_MAX: usize = 256;
/// Files and device ids that all components of a txtsetup.oem name together.
pub const OEM_NAMES_MAX: usize = 4096;
/// Bytes of one value after its strings are replaced, if that made it longer.
pub const VALUE_BYTES_MAX: usize = 16 << 10;
/// Bytes that replacing strings may add to all values of a file together.
pub const ADDED_BYTES_MAX: usize = 32 << 20;
/// Bytes of a section's name after its strings are replaced, if that made it longer.
pub const NAME_BYTES_MAX: usize = 1 << 10;
/// Findings of one code that are kept: a file with one bad habit has it in each of its lines.
pub const FINDINGS_OF_A_CODE_MAX: usize = 20;
/// Findings that are kept.
pub const FINDINGS_MAX: usize = 200;

/// Characters of a section's name that Windows documents.
pub const SECTION_NAME_CHARS: usize = 255;
/// Characters of a field that Windows documents.
pub const FIELD_CHARS: usize = 4095;
/// Characters of a device id that Windows can hold (MAX_DEVICE_ID_LEN with its end). Longer ids match no device.
pub const DEVICE_ID_CHARS: usize = 199;
/// Characters of a description, manufacturer or provider that Windows can hold (LINE_LEN with its end).
pub const DESCRIPTION_CHARS: usize = 255;
/// Characters of a class's name (MAX_CLASS_NAME_LEN with its end).
pub const CLASS_CHARS: usize = 31;
