//! Stacks on Go's system stacks: where its runtime has C start a thread. They go on to a goroutine's root, or
//! end where a thread of Go's starts. Every release of Go, linked by Go itself and by the system's linker.
#![cfg(target_arch = "x86_64")]

mod gosupport;

use gosupport::*;

#[test]
fn threads_that_gos_runtime_starts() {
    let interposer = scratch("threads").join("libcreate.so");
    compile(
        &program("gothreads-create/create.c"),
        &interposer,
        &["-shared", "-fPIC", "-ldl"],
    );
    let preload = format!("{}:{}", probe().display(), interposer.display());
    RELEASES.iter().for_each(|release| require_release(release));
    let links = ["", "-ldflags=-linkmode=external"];
    let jobs = RELEASES
        .iter()
        .flat_map(|release| links.map(|link| (*release, link)));
    in_parallel(jobs.collect(), |(release, link)| {
        let output = scratch(&format!("{release}-threads{link}")).join("gothreads");
        let flags = if link.is_empty() { vec![] } else { vec![*link] };
        let binary = build(release, &program("gothreads"), &output, &flags);
        let stacks = stacks::<&str>(&binary, &[], &[("LD_PRELOAD", &preload)]);
        assert!(stacks.len() > 10, "{}", stacks.len());
        let mut of_threads = 0;
        for stack in stacks.values() {
            let names = stack.names();
            assert_eq!(stack.end, "Complete", "{names:#?}");
            assert_eq!(names[0], "pthread_create");
            assert!(
                names.contains(&"runtime.asmcgocall") && names.contains(&"runtime.newm1"),
                "{names:#?}"
            );
            // A goroutine's root, the start of a thread, or where the scheduler left a goroutine's stack for good.
            let roots = [
                "runtime.goexit",
                "runtime.mstart",
                "runtime.mcall",
                "runtime.morestack",
            ];
            assert!(roots.contains(names.last().unwrap()), "{names:#?}");
            of_threads += usize::from(names.last() == Some(&"runtime.mstart"));
        }
        assert!(of_threads > 0, "none started by a thread without a goroutine");
    });
}
