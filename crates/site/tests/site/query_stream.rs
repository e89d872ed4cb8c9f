//! Long answers: row by row, and not for ever.

use std::time::Duration;

use cim::query::Query;
use site::{Actor, RowStream};

use crate::stage::Stage;

/// More than is read ahead of a reader.
const ROWS: usize = 4_000;

/// Status messages, written beside the site.
async fn fill(stage: &Stage) {
    let numbers = if stage.is_postgres() {
        format!("SELECT n FROM generate_series(1, {ROWS}) AS s(n)")
    } else {
        format!(
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS}) SELECT n FROM s"
        )
    };
    let numbers = format!("({numbers}) AS numbers");
    let insert = "INSERT INTO status_message (at, severity, message_id, component, inserts)";
    stage.raw_sql(format!("{insert} SELECT n, 1, 30000, 'test', '[]' FROM {numbers}")).await;
}

async fn open(stage: &Stage) -> RowStream {
    open_as(stage, "local").await
}

async fn open_as(stage: &Stage, user: &str) -> RowStream {
    let query = Query::all("Haulier_StatusMessage");
    let actor = Actor::new(user, site::Role::FullAdministrator);
    stage.site.query_stream(&actor, &query).await.unwrap()
}

async fn waiting(stage: &Stage, wanted: usize) {
    while stage.site.streams_waiting() != wanted {
        tokio::task::yield_now().await;
    }
}

/// A query that finds nothing in more steps than anybody waits for.
fn endless() -> Query {
    let message = "Haulier_StatusMessage";
    let wql = format!(
        "SELECT a.Component FROM {message} a, {message} b, {message} c, {message} d \
         WHERE CONCAT(a.Component, b.Component, c.Component, d.Component) = 'x'"
    );
    cim::wql::parse(&wql).unwrap()
}

/// Waits until PostgreSQL computes nothing more for the site; SQLite's readers are proved in `db::reader`.
async fn idle(stage: &Stage) {
    let busy = "SELECT CAST(COUNT(*) AS TEXT) FROM pg_stat_activity \
        WHERE datname = CURRENT_DATABASE() AND state = 'active' AND pid <> PG_BACKEND_PID()";
    while stage.is_postgres() && stage.raw_sql(busy.to_owned()).await != [["0"]] {}
}

/// How many rows come, and what ends them.
async fn drain(stream: &mut RowStream) -> (usize, Option<&'static str>) {
    let mut rows = 0;
    loop {
        match stream.next().await {
            Some(Ok(_)) => rows += 1,
            Some(Err(error)) => return (rows, Some(error.code())),
            None => return (rows, None),
        }
    }
}

on_both! {
    async fn a_long_answer_comes_whole_and_counted(stage: &Stage) {
        fill(stage).await;
        let mut query = Query::all("Haulier_StatusMessage");
        query.count = true;
        let mut stream = stage.site.query_stream(&Actor::local(), &query).await.unwrap();
        let count = usize::try_from(stream.count.unwrap()).unwrap();
        assert!(count >= ROWS);
        assert_eq!(drain(&mut stream).await, (count, None));
        assert!(stream.next().await.is_none());
        assert_eq!(stage.site.streams_waiting(), 0);
    }

    async fn a_reader_that_takes_nothing_is_cut(stage: &Stage) {
        fill(stage).await;
        let mut stream = open(stage).await;
        stream.next().await.unwrap().unwrap();
        waiting(stage, 1).await;
        while stage.site.streams_waiting() > 0 {
            // Whether it waits already or is about to read one batch more, it does not show.
            if stream.is_full() {
                stage.clock.advance(Duration::from_secs(10));
            }
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
        let (rows, end) = drain(&mut stream).await;
        assert_eq!(end, Some("reader_too_slow"));
        // What was read ahead, and no more, was ever in memory.
        assert!((500..1_000).contains(&rows), "{rows}");
    }

    async fn a_reader_that_takes_little_is_not_kept_for_ever(stage: &Stage) {
        fill(stage).await;
        let mut stream = open(stage).await;
        let mut taken = 0;
        loop {
            while !stream.is_full() && !stream.is_over() {
                tokio::task::yield_now().await;
            }
            if stream.is_over() {
                break;
            }
            stage.clock.advance(Duration::from_secs(29));
            for _ in 0..64 {
                stream.next().await.unwrap().unwrap();
                taken += 1;
            }
        }
        assert_eq!(drain(&mut stream).await.1, Some("reader_too_slow"));
        assert!((640..1_000).contains(&taken), "{taken}");
    }

    async fn an_answer_that_nobody_reads_is_not_read_on(stage: &Stage) {
        fill(stage).await;
        let mut stream = open(stage).await;
        stream.next().await.unwrap().unwrap();
        waiting(stage, 1).await;
        drop(stream);
        waiting(stage, 0).await;
        // Its connection is as good as new for the next one.
        let mut stream = open(stage).await;
        assert!(drain(&mut stream).await.0 >= ROWS);
    }

    async fn slow_readers_leave_room_for_others(stage: &Stage) {
        fill(stage).await;
        let mut slow = Vec::new();
        for number in 1..=4 {
            slow.push(open_as(stage, &number.to_string()).await);
            waiting(stage, number).await;
        }
        let mut late = open(stage).await;
        // Short answers need no turn, and a reader that keeps up none either.
        let mut short = Query::all("SMS_Identification");
        short.count = true;
        for _ in 0..20 {
            assert_eq!(stage.site.query(&Actor::local(), "SMS_Identification", &short).await.unwrap().rows.len(), 1);
        }
        let mut quick = open(stage).await;
        assert!(drain(&mut quick).await.0 >= ROWS);
        // The fifth slow one waits for its turn, and not for long.
        while !late.is_over() {
            stage.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        let ends = drain(&mut late).await.1;
        assert!(matches!(ends, Some("busy")), "{ends:?}");
        drop(slow);
        waiting(stage, 0).await;
    }

    async fn one_user_leaves_turns_to_others(stage: &Stage) {
        fill(stage).await;
        let mut slow = Vec::new();
        for number in 1..=3 {
            slow.push(open_as(stage, "ada").await);
            waiting(stage, number).await;
        }
        let mut fourth = open_as(stage, "ada").await;
        assert_eq!(drain(&mut fourth).await, (ROWS, None), "who keeps up needs none");
        let mut fourth = open_as(stage, "ada").await;
        while !fourth.is_full() {
            tokio::task::yield_now().await;
        }
        // Long enough for the next batch, which has no place.
        let mut quick = open_as(stage, "ben").await;
        assert!(drain(&mut quick).await.0 >= ROWS);
        while !fourth.is_over() {
            stage.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        assert_eq!(drain(&mut fourth).await.1, Some("busy"), "though a turn is free");
        assert_eq!(stage.site.streams_waiting(), 3);
        let other = open_as(stage, "ben").await;
        waiting(stage, 4).await;
        drop(slow.pop());
        waiting(stage, 3).await;
        slow.push(open_as(stage, "ada").await);
        waiting(stage, 4).await;
        drop((slow, other));
        waiting(stage, 0).await;
    }

    async fn a_site_that_closes_waits_for_no_reader(stage: &Stage) {
        fill(stage).await;
        let mut stream = open(stage).await;
        waiting(stage, 1).await;
        stage.site.close().await;
        assert_eq!(drain(&mut stream).await.1, Some("stopped"));
    }

    async fn late_readers_leave_connections_for_what_is_short(stage: &Stage) {
        fill(stage).await;
        // All stop for their reader; more of them than there are connections on SQLite.
        let mut slow = Vec::new();
        for number in 0..20 {
            let mut stream = open_as(stage, &number.to_string()).await;
            stream.next().await.unwrap().unwrap();
            slow.push(stream);
        }
        let one = cim::wql::parse("SELECT * FROM SMS_Identification").unwrap();
        for _ in 0..20 {
            let found = stage.site.query(&Actor::local(), "SMS_Identification", &one).await.unwrap();
            assert_eq!(found.rows.len(), 1);
        }
        // No time has passed: who got no turn has been told at once.
        let over = || slow.iter().filter(|stream| stream.is_over()).count();
        while over() != 14 {
            tokio::task::yield_now().await;
        }
    }

    async fn a_query_that_finds_nothing_ends(stage: &Stage) {
        fill(stage).await;
        let mut stream = stage.site.query_stream(&Actor::local(), &endless()).await.unwrap();
        while !stream.is_over() {
            stage.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        assert_eq!(drain(&mut stream).await, (0, Some("query_too_long")));
        idle(stage).await;
    }

    async fn a_query_that_nobody_waits_for_ends(stage: &Stage) {
        fill(stage).await;
        for counts in [false, true] {
            let query = Query { count: counts, ..endless() };
            // More than there are connections, so that each must come back.
            for _ in 0..20 {
                let actor = Actor::local();
                let asked = stage.site.query_stream(&actor, &query);
                let begun = async {
                    stage.site.packages().await.unwrap();
                    if !counts {
                        // The stream itself comes at once.
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    stream = asked => drop(stream.unwrap()),
                    () = begun => {}
                }
            }
            assert_eq!(stage.site.packages().await.unwrap(), []);
        }
        idle(stage).await;
    }

    async fn a_site_that_closes_waits_for_no_query(stage: &Stage) {
        fill(stage).await;
        let mut stream = stage.site.query_stream(&Actor::local(), &endless()).await.unwrap();
        let query = Query { count: true, ..endless() };
        let actor = Actor::local();
        let counting = stage.site.query_stream(&actor, &query);
        let closing = async {
            stage.site.packages().await.unwrap();
            stage.site.close().await;
        };
        let (counted, ()) = tokio::join!(counting, closing);
        // The second if it had no connection yet.
        let code = counted.unwrap_err().code();
        assert!(["stopped", "database_failed"].contains(&code), "{code}");
        assert_eq!(drain(&mut stream).await, (0, Some("stopped")));
    }
}
