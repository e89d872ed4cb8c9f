//! Work that gives way to all other work of the machine.

use rustix::process::setpriority_process;
use rustix::thread::gettid;

/// The lowest of setpriority(2). A thread that has no I/O priority of its own has the one that follows from this,
/// ioprio_set(2): the lowest but for the idle class, in which reading might never come to its end.
const NICENESS: i32 = 19;

/// Does the work on a thread of its own, in the lowest priority for processor and disk, and waits for it.
///
/// A thread cannot rise again without privilege, so it is no thread of any pool.
pub fn at_lowest_priority<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // On Linux a thread's id names the thread alone.
            if let Err(error) = setpriority_process(Some(gettid()), NICENESS) {
                tracing::warn!(%error, "A verification runs in the priority of other work");
            }
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn the_work_alone_is_of_low_priority() {
        let here = || getpriority_process(Some(gettid())).unwrap();
        let before = here();
        let (there, answer) = at_lowest_priority(|| (here(), 42));
        assert_eq!((there, answer, here()), (NICENESS, 42, before));
        assert!(before < NICENESS, "or the test shows nothing");
    }
}
