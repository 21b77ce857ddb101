//! The addr2line crate as a library, with what its command does for a pipe left
//! out: output is written in large pieces, and is never flushed line by line.
//!
//! usage: ffikit-bench-addr2line-buffered FILE [-C] < ADDRESSES
//!
//! Prints what `addr2line -f -i` prints. Addresses are looked up in the order in
//! which they come; the bench sends them sorted, so that a caller who has all of
//! them beforehand is what ffikit is compared with.

use std::borrow::Cow;
use std::error::Error;
use std::io::{BufRead, BufWriter, Write};

use addr2line::{Loader, Location, demangle_auto};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let file = arguments.next().ok_or("usage: FILE [-C]")?;
    let demangle = arguments.next().is_some_and(|a| a == "-C");
    let loader = Loader::new(file)?;
    let mut out = BufWriter::with_capacity(256 << 10, std::io::stdout().lock());
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let digits = line.trim_end().trim_start_matches("0x");
        let address = u64::from_str_radix(digits, 16)?;
        look_up(&loader, address, demangle, &mut out)?;
        line.clear();
    }
    out.flush()?;
    Ok(())
}

/// Prints all frames of one address, innermost first; `??` where nothing is known.
fn look_up(
    loader: &Loader,
    address: u64,
    demangle: bool,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut frames = loader.find_frames(address)?;
    let mut current = frames.next()?;
    if current.is_none() {
        print_name(
            loader.find_symbol(address).map(Cow::from),
            None,
            demangle,
            out,
        )?;
        return Ok(writeln!(out, "??:0")?);
    }
    while let Some(frame) = current {
        current = frames.next()?;
        // As the command does: the symbol table names the function itself, DWARF
        // what was inlined into it.
        let symbol = if current.is_none() {
            loader.find_symbol(address)
        } else {
            None
        };
        match (symbol, &frame.function) {
            (Some(symbol), _) => print_name(Some(Cow::from(symbol)), None, demangle, out)?,
            (None, Some(f)) => print_name(f.raw_name().ok(), f.language, demangle, out)?,
            (None, None) => print_name(None, None, demangle, out)?,
        }
        print_place(frame.location.as_ref(), out)?;
    }
    Ok(())
}

fn print_name(
    name: Option<Cow<'_, str>>,
    language: Option<addr2line::gimli::DwLang>,
    demangle: bool,
    out: &mut impl Write,
) -> std::io::Result<()> {
    match name {
        Some(name) if demangle => writeln!(out, "{}", demangle_auto(name, language)),
        Some(name) => writeln!(out, "{name}"),
        None => writeln!(out, "??"),
    }
}

fn print_place(place: Option<&Location<'_>>, out: &mut impl Write) -> std::io::Result<()> {
    let Some(place) = place else {
        return writeln!(out, "??:0");
    };
    write!(out, "{}:", place.file.unwrap_or("??"))?;
    match place.line {
        Some(line) => writeln!(out, "{line}"),
        None => writeln!(out, "?"),
    }
}
