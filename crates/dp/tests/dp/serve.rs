//! The content listener over a real connection; the rules themselves are tested beside their code.

use http::StatusCode;
use reqwest::{Client, Method};

use crate::site::{Running, Site};

#[tokio::test(flavor = "multi_thread")]
async fn files_are_served_and_everything_else_is_not() {
    let (site, dir) = (Site::start().await, tempfile::tempdir().unwrap());
    let large = samples::Rng::new(1).bytes(3 << 20);
    site.write("Net/Driver One.sys", &large);
    site.write("empty.txt", b"");
    site.publish(1);
    let dp = Running::start(site.options(dir.path())).await;
    site.installed(site.hold(1, false)).await;
    let client = Client::new();
    let ask = |method: Method, path: &str, headers: &[(&str, &str)]| {
        let request = client.request(method, format!("{}{path}", dp.url));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send()
    };
    let file = "/SMS_DP_SMSPKG$/PS100001.1/net/driver%20one.SYS";

    let whole = ask(Method::GET, file, &[]).await.unwrap();
    assert_eq!((whole.status(), whole.content_length()), (StatusCode::OK, Some(3 << 20)));
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert!(whole.bytes().await.unwrap() == large);

    let part =
        ask(Method::GET, file, &[("range", "bytes=1000000-1999999"), ("if-range", &tag)]).await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], "bytes 1000000-1999999/3145728");
    assert!(part.bytes().await.unwrap() == large[1_000_000..2_000_000]);

    let head = ask(Method::HEAD, file, &[]).await.unwrap();
    assert_eq!(
        (head.status(), &head.headers()["content-length"]),
        (StatusCode::OK, &"3145728".parse().unwrap())
    );
    let same = ask(Method::GET, file, &[("if-none-match", &tag)]).await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    let beyond = ask(Method::GET, file, &[("range", "bytes=3145728-")]).await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let empty = ask(Method::GET, "/SMS_DP_SMSPKG$/PS100001/empty.txt", &[]).await.unwrap();
    assert_eq!((empty.status(), empty.content_length()), (StatusCode::OK, Some(0)));

    for path in [
        "/",
        "/SMS_DP_SMSPKG$/PS100001.1/",
        "/SMS_DP_SMSPKG$/PS100001.1/net",
        "/SMS_DP_SMSPKG$/PS1%2e%2e/x",
        "/SMS_DP_SMSPKG$/PS100001.2/empty.txt",
        "/SMS_DP_SMSPKG$/PS100009/empty.txt",
        "/identity.json",
        "/SMS_DP_SMSPKG$/PS100001/..%2f..%2f..%2fidentity.json",
        "/SMS_DP_SMSPKG$/PS100001/empty.txt::$DATA",
    ] {
        assert_eq!(ask(Method::GET, path, &[]).await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
    }
    let put = ask(Method::PUT, file, &[]).await.unwrap();
    assert_eq!(
        (put.status(), &put.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );
    assert_eq!(ask(Method::GET, "/healthz", &[]).await.unwrap().status(), StatusCode::OK);
    let metrics = ask(Method::GET, "/metrics", &[]).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("haulier_dp_requests_total{code=\"206\"} 1"), "{metrics}");
    assert!(metrics.contains("haulier_dp_jobs_total{outcome=\"done\"} 1"), "{metrics}");
    dp.stop().await;
    site.stop().await;
}
