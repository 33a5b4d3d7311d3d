//! How a program ends.

use std::process::ExitCode;

/// The exit code of a program's `main`; what made it fail goes to standard error in one line.
pub fn exit_code(ended: eyre::Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            eprintln!("error: {}", explain(&report));
            ExitCode::FAILURE
        }
    }
}

/// The chain of causes in one line; a backtrace tells an operator nothing. A cause that the line
/// before already quotes is not said twice.
fn explain(report: &eyre::Report) -> String {
    let mut line = String::new();
    for cause in report.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn each_cause_is_named_once() {
        let report = eyre::Report::new(io::Error::other("no space"))
            .wrap_err("cannot write: no space")
            .wrap_err("cannot store the key");
        assert_eq!(
            explain(&report),
            "cannot store the key: cannot write: no space"
        );
    }
}
