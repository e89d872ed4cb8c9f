//! Invented vendors, products and hardware; device classes are Windows' own.

use crate::rng::Rng;

pub(crate) struct DeviceClass {
    pub(crate) name: &'static str,
    pub(crate) guid: &'static str,
    /// Folder of the class in a pack, and what products are called.
    pub(crate) product: &'static str,
    pub(crate) stem: &'static str,
}

const fn class(
    name: &'static str,
    guid: &'static str,
    product: &'static str,
    stem: &'static str,
) -> DeviceClass {
    DeviceClass { name, guid, product, stem }
}

const CLASSES: [DeviceClass; 8] = [
    class("Net", "{4d36e972-e325-11ce-bfc1-08002be10318}", "Ethernet", "eth"),
    class("MEDIA", "{4d36e96c-e325-11ce-bfc1-08002be10318}", "Audio", "aud"),
    class("Display", "{4d36e968-e325-11ce-bfc1-08002be10318}", "Graphics", "gfx"),
    class("SCSIAdapter", "{4d36e97b-e325-11ce-bfc1-08002be10318}", "Storage", "stor"),
    class("System", "{4d36e97d-e325-11ce-bfc1-08002be10318}", "Chipset", "chip"),
    class("Bluetooth", "{e0cbf06c-cd8b-4647-bb8a-263b43f0f974}", "Bluetooth", "bth"),
    class("Camera", "{ca3e7ab9-b4c3-4ae6-8251-579ef933890f}", "Camera", "cam"),
    class("SoftwareComponent", "{5c4c3332-344d-483c-8739-259e934c9cc8}", "Control Panel", "ctl"),
];

const VENDORS: [(&str, &str); 3] =
    [("Norvik Devices", "nv"), ("Tallgrass Silicon", "tg"), ("Ombra Systems", "om")];

/// What a driver is called, everywhere in its files.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) vendor: &'static str,
    pub(crate) class_name: &'static str,
    pub(crate) class_guid: &'static str,
    pub(crate) product: &'static str,
    /// File names begin with it: lower case, unique in the pack.
    pub(crate) stem: String,
    pub(crate) number: usize,
    pub(crate) vendor_id: u16,
    pub(crate) version: [u16; 4],
    /// Months since January 2020.
    pub(crate) month: u32,
}

impl Identity {
    pub(crate) fn new(rng: &mut Rng, number: usize) -> Identity {
        let class = rng.pick(&CLASSES);
        let (vendor, short) = *rng.pick(&VENDORS);
        Identity {
            vendor,
            class_name: class.name,
            class_guid: class.guid,
            product: class.product,
            stem: format!("{short}{}{number:03}", class.stem),
            number,
            vendor_id: 0x8000 + u16::from(short.as_bytes()[0]) * 16,
            version: [
                rng.between(1, 31) as u16,
                0,
                rng.between(100, 999) as u16,
                rng.between(1, 9000) as u16,
            ],
            month: rng.between(36, 71) as u32,
        }
    }

    /// Folder below the pack's root: class, then vendor and number; blanks and capitals as vendors have them.
    pub(crate) fn folder(&self) -> String {
        format!("{}/{} {:03}", self.product, self.vendor, self.number)
    }

    /// A file of the driver; now and then in capitals, as old build systems leave them.
    pub(crate) fn file(&self, rng: &mut Rng, suffix: &str, extension: &str) -> String {
        let name = format!("{}{suffix}.{extension}", self.stem);
        if rng.chance(0.1) { name.to_uppercase() } else { name }
    }
}
