//! Byte arrays and the sizes beside them: `Icon` and `IconSize`, `ISVData` and `ISVDataSize`.

use cim::{Instance, Value};

use crate::error::Fault;

/// Bytes as a `uint8[]`.
pub(crate) fn value(bytes: Vec<u8>) -> Value {
    Value::Array(bytes.into_iter().map(|byte| Value::Integer(byte.into())).collect())
}

/// Takes a byte array and its size out of a checked write. None where nothing was written; empty where it is cleared:
/// by null, by no bytes, or by the size 0. A size that is given with bytes must be theirs.
pub(crate) fn taken(instance: &mut Instance, bytes: &str, size: &str) -> Result<Option<Vec<u8>>, Fault> {
    let mut take = |name: &str| {
        let at = instance.properties.iter().position(|(property, _)| property == name)?;
        Some(instance.properties.swap_remove(at).1)
    };
    let (given, size_given) = (take(bytes), take(size).and_then(|size| size.as_integer()));
    let given = given.map(read);
    match (given, size_given) {
        (None, Some(0)) => Ok(Some(Vec::new())),
        (given, None) => Ok(given),
        (Some(given), Some(length)) if i128::try_from(given.len()) == Ok(length) => Ok(Some(given)),
        _ => {
            let reason = format!("it is the number of bytes in {bytes}, or 0 to clear them");
            Err(Fault::OutOfRange { property: size.to_owned(), reason })
        }
    }
}

fn read(value: Value) -> Vec<u8> {
    match value {
        Value::Array(elements) => {
            let byte = |element: &Value| element.as_integer().and_then(|byte| u8::try_from(byte).ok());
            elements.iter().filter_map(byte).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_says_what_the_bytes_say() {
        let check = |bytes: Option<Value>, size: Option<u32>, expect: Result<Option<&[u8]>, u32>| {
            let mut instance = Instance::new("SMS_Package");
            instance.set("Name", "x");
            if let Some(bytes) = bytes.clone() {
                instance.set("Icon", bytes);
            }
            if let Some(size) = size {
                instance.set("IconSize", size);
            }
            let got = taken(&mut instance, "Icon", "IconSize").map_err(|fault| fault.hresult());
            assert_eq!(got, expect.map(|bytes| bytes.map(<[u8]>::to_vec)), "{bytes:?} {size:?}");
            assert_eq!(instance.properties.len(), 1);
        };
        let two = || Some(value(vec![0, 255]));
        check(None, None, Ok(None));
        check(two(), None, Ok(Some(&[0, 255])));
        check(two(), Some(2), Ok(Some(&[0, 255])));
        check(two(), Some(0), Err(0x8004_103C));
        check(two(), Some(3), Err(0x8004_103C));
        check(None, Some(0), Ok(Some(&[])));
        check(None, Some(2), Err(0x8004_103C));
        check(Some(Value::Null), None, Ok(Some(&[])));
        check(Some(Value::Null), Some(0), Ok(Some(&[])));
        check(Some(value(Vec::new())), Some(0), Ok(Some(&[])));
    }
}
