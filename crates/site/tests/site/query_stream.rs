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
    let query = Query::all("Haulier_StatusMessage");
    stage.site.query_stream(&Actor::local(), &query).await.unwrap()
}

async fn waiting(stage: &Stage, wanted: usize) {
    while stage.site.streams_waiting() != wanted {
        tokio::task::yield_now().await;
    }
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
        stage.clock.advance(Duration::from_secs(30));
        waiting(stage, 0).await;
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
            slow.push(open(stage).await);
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

    async fn a_site_that_closes_waits_for_no_reader(stage: &Stage) {
        fill(stage).await;
        let mut stream = open(stage).await;
        waiting(stage, 1).await;
        stage.site.close().await;
        assert_eq!(drain(&mut stream).await.1, Some("stopped"));
    }
}
