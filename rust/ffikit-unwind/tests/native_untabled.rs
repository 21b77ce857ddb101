//! Code without tables, and code that goes away: the stack ends with a reason, after
//! what came before.
#![cfg(target_arch = "x86_64")]

mod native;

#[test]
fn code_without_tables() {
    let folder = native::scratch("untabled");
    for compiler in native::COMPILERS {
        let library = |name: &str, flags: &[&str]| {
            let path = folder.join(format!("lib{name}_{compiler}.so"));
            native::build_library(compiler, flags, "victim.c", &path);
            format!("{name}={}", path.display())
        };
        let libraries = [
            library("no-header", &["-O2", "-Wl,--no-eh-frame-hdr"]),
            library(
                "no-tables",
                &["-O2", "-fno-asynchronous-unwind-tables", "-fno-exceptions"],
            ),
        ];
        let program = folder.join(compiler);
        let assembly = native::sources().join("untabled.S");
        let flags = ["-O1", assembly.to_str().unwrap()];
        native::build(compiler, &flags, "untabled.c", &program);
        let output = native::run(&program, &[&libraries[0], &libraries[1]]);
        native::assert_chains("untabled.c", compiler, &output, false);
        for stack in native::stacks(&output) {
            // call_back, and the address in the code without tables.
            assert_eq!(stack.frames.len(), 2, "{}:\n{output}", stack.label);
        }
    }
}

#[test]
fn libraries_come_and_go_while_others_walk_through_them() {
    let folder = native::scratch("unload");
    let program = folder.join("unload");
    native::build("gcc", &["-O2"], "unload.c", &program);
    let libraries = [1, 2, 3].map(|number| {
        let path = folder.join(format!("libvictim{number}.so"));
        native::build_library("gcc", &["-O2"], "victim.c", &path);
        path.to_str().unwrap().to_string()
    });
    let output = native::run(&program, &[&libraries[0], &libraries[1], &libraries[2], "1500"]);
    assert!(!output.contains("wrong"), "{output}");
    let number = |after: &str| {
        let text = output.split_once(after).unwrap_or_else(|| panic!("{output}")).1;
        text.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    // Some walks met the libraries, and some did not.
    let (walks, found) = (number("walks "), number("with frames "));
    assert!(number("loads ") >= 50 && found > 0 && found < walks, "{output}");
}
