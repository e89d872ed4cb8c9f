use cim::query::{Expr, Operator};
use cim::{Instance, ObjectPath, Value};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Work, by_keys};
use crate::rows;

/// `SMS_DistributionDPStatus`: its view makes the ID of the distribution point's number and the package ID, so the key says
/// which package it is about, and that the database finds without reading all rows.
pub(crate) struct DpStatus;

/// Digits as the view counts them: the first is 1.
const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

impl ClassHandler for DpStatus {
    fn get<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, Instance> {
        Box::pin(async move {
            let missing = || Fault::NotFound { what: path.relative() };
            let id = path.key("ID").and_then(Value::as_integer).ok_or_else(missing)?;
            let of_package = Expr::compare("PackageID", Operator::Eq, package_id(id).ok_or_else(missing)?);
            let mut query = by_keys(call.class, path);
            query.filter = query.filter.map(|is_it| Expr::And(vec![of_package, is_it]));
            rows::query(call, &query).await?.instances.into_iter().next().ok_or_else(missing)
        })
    }
}

/// The package of an ID: three digits to base 36, then five to base 16, below the distribution point's number.
fn package_id(id: i128) -> Option<String> {
    const BASES: [i128; 8] = [36, 36, 36, 16, 16, 16, 16, 16];
    let mut rest = id;
    let mut digits = [0u8; BASES.len()];
    for (digit, base) in digits.iter_mut().zip(BASES).rev() {
        // There is no digit 0, so the base itself is one.
        let value = (rest - 1).rem_euclid(base) + 1;
        rest = (rest - value) / base;
        *digit = *DIGITS.get(usize::try_from(value - 1).ok()?)?;
    }
    (rest > 0).then(|| digits.iter().map(|&digit| char::from(digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the view has it.
    fn id(dp: i128, package: &str) -> i128 {
        let weights = [1_358_954_496, 37_748_736, 1_048_576, 65_536, 4_096, 256, 16, 1];
        let value = |c: u8| DIGITS.iter().position(|&digit| digit == c).unwrap() as i128 + 1;
        dp * 48_922_361_856 + package.bytes().zip(weights).map(|(c, weight)| value(c) * weight).sum::<i128>()
    }

    #[test]
    fn the_package_is_read_off_the_key() {
        for package in ["PS100001", "00000000", "ZZZFFFFF", "A0Z0F0F0", "PS1FFFFF", "9Z00000F"] {
            for dp in [1, 2, 36, 1_000, 100_000] {
                assert_eq!(package_id(id(dp, package)).as_deref(), Some(package), "{dp} {package}");
            }
        }
        for id in [0, -1, 1, 48_922_361_856 / 2, i128::from(i64::MIN)] {
            assert_eq!(package_id(id), None, "{id}");
        }
    }
}
