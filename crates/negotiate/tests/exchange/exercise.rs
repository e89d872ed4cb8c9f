//! What must hold for any bytes whatever. The fuzz target calls it too.

use negotiate::{Acceptor, ChannelBinding, Config, NtHash, Step, wants_kerberos};

/// Bytes from nowhere prove nothing: whatever tokens they are, nobody is authenticated. A zero byte ends a token where
/// the first byte says so, so that one input is several of them.
pub(crate) fn tokens(bytes: &[u8]) {
    let _ = wants_kerberos(bytes);
    let _ = ChannelBinding::tls_server_end_point(bytes);
    let mut acceptor = Acceptor::new(Config::default());
    let hash = NtHash::of_password("nobody has this one");
    let cut = bytes.first().map_or(0, |first| usize::from(*first)).min(bytes.len());
    for token in [bytes, &bytes[..cut], &bytes[cut..]] {
        if let Ok(Step::Identify(claim)) = acceptor.step(token, 0) {
            assert!(!claim.user.is_empty());
            assert!(acceptor.verify(&hash).is_err());
        }
    }
}
