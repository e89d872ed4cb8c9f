//! How long certificates live.

use std::time::Duration;

use clock::SharedClock;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, SerialNumber};

use crate::NetError;

const DAY: Duration = Duration::from_secs(86_400);

/// The authority: longer than any site lives. A new one would mean enrolling every agent again.
pub(crate) const CA_LIFE: Duration = DAY.saturating_mul(30 * 365);
/// A server's own certificate; renewed by itself long before.
pub(crate) const SERVER_LIFE: Duration = DAY.saturating_mul(365);
/// A server certificate with less time left is renewed.
pub(crate) const SERVER_RENEW_LEFT: Duration = DAY.saturating_mul(120);
/// An agent's certificate, unless the site's configuration says otherwise. Agents renew theirs by themselves when two
/// thirds are over, so that one that is away for a month loses nothing, and a stolen key is worth little for long.
pub const AGENT_LIFE: Duration = DAY.saturating_mul(90);
/// Clocks of freshly installed machines are wrong by hours.
const BACKDATED: Duration = DAY.saturating_mul(2);

/// Parameters with a random serial number, valid from now for `life`.
pub(crate) fn params(life: Duration, clock: &SharedClock) -> Result<CertificateParams, NetError> {
    let mut params = CertificateParams::default();
    set_dates(&mut params, clock.now(), life);
    params.use_authority_key_identifier_extension = true;
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial)
        .map_err(|_| NetError::Certificate("the system gives no random bytes".to_owned()))?;
    serial[0] &= 0x7f; // A serial number is a positive integer.
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// Writes both dates of `params`; rcgen's type for a date is not ours to name.
fn set_dates(params: &mut CertificateParams, now: Timestamp, life: Duration) {
    let date = |at: Timestamp| {
        let civil = at.to_zoned(TimeZone::UTC).datetime();
        let part = |part: i8| u8::try_from(part).expect("parts of a date are positive");
        let of_day = civil.time().duration_since(jiff::civil::Time::midnight()).unsigned_abs();
        let day = rcgen::date_time_ymd(i32::from(civil.year()), part(civil.month()), part(civil.day()));
        // X.509 counts whole seconds.
        day + Duration::from_secs(of_day.as_secs())
    };
    let shifted = |by: SignedDuration| now.saturating_add(by).expect("certificates end within the calendar");
    params.not_before = date(shifted(-signed(BACKDATED)));
    params.not_after = date(shifted(signed(life)));
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).expect("a certificate lives for less than an age")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clock::ManualClock;

    use super::*;
    use crate::ca::{AgentKey, SiteCa, ends_at};

    #[test]
    fn a_certificate_ends_to_the_second() {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-02-27T23:59:58.7Z".parse().unwrap());
        let ca = SiteCa::create(dir.path(), "PS1", Arc::clone(&clock) as _).unwrap();
        for (life_s, end) in [(3, "2026-02-28T00:00:01Z"), (90 * 86_400, "2026-05-28T23:59:58Z")] {
            let ca = ca.clone().with_agent_life(Duration::from_secs(life_s));
            let pem = ca.sign_agent(&AgentKey::generate().unwrap().csr_pem, "dp1").unwrap();
            assert_eq!(ends_at(&pem).unwrap(), end.parse().unwrap());
        }
        assert!(ends_at("no certificate").is_err());
    }
}
