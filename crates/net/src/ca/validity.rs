//! How long certificates live.

use clock::SharedClock;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use rcgen::{CertificateParams, SerialNumber};

use crate::NetError;

/// The authority: longer than any site lives. A new one would mean enrolling every agent again.
pub(crate) const CA_DAYS: i64 = 30 * 365;
/// A server's own certificate; renewed by itself long before.
pub(crate) const SERVER_DAYS: i64 = 365;
/// A server certificate with fewer days left is renewed.
pub(crate) const SERVER_RENEW_DAYS: i64 = 120;
/// An agent's certificate. Trust ends when the site forgets the agent, not when a date comes: an outdated
/// certificate would silently cut off a distribution point that nobody touched for years.
pub(crate) const AGENT_DAYS: i64 = 10 * 365;
/// Clocks of freshly installed machines are wrong by hours.
const BACKDATED_DAYS: i64 = 2;

/// Parameters with a random serial number, valid from now for `days`.
pub(crate) fn params(days: i64, clock: &SharedClock) -> Result<CertificateParams, NetError> {
    let mut params = CertificateParams::default();
    set_dates(&mut params, clock.now(), days);
    params.use_authority_key_identifier_extension = true;
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial)
        .map_err(|_| NetError::Certificate("the system gives no random bytes".to_owned()))?;
    serial[0] &= 0x7f; // A serial number is a positive integer.
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// Writes both dates of `params`; rcgen's type for a date is not ours to name.
fn set_dates(params: &mut CertificateParams, from: Timestamp, days: i64) {
    let ymd = |days: i64| {
        let civil = from.to_zoned(TimeZone::UTC).date().saturating_add(Span::new().days(days));
        let part = |part: i8| u8::try_from(part).expect("months and days are positive");
        rcgen::date_time_ymd(i32::from(civil.year()), part(civil.month()), part(civil.day()))
    };
    params.not_before = ymd(-BACKDATED_DAYS);
    params.not_after = ymd(days);
}
