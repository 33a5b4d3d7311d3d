//! Where one request ends and the next begins on a stream of bytes.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Splits a stream into JSON objects and arrays, whatever white space is between or within them.
/// Whether one is valid JSON is for its reader to find out.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    reader: R,
    max_bytes: usize,
}

/// Why there is no next request on the stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The stream broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Neither an object nor an array, or cut short by the end of the stream.
    #[error("not JSON")]
    NotJson,
    /// Longer than a request may be.
    #[error("too large")]
    TooLarge,
}

impl<R: AsyncBufRead + Unpin> Frames<R> {
    pub(crate) const fn new(reader: R, max_bytes: usize) -> Self {
        Self { reader, max_bytes }
    }

    /// The next request; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`FrameError`], after which there is no next one.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, FrameError> {
        let mut frame = Vec::new();
        let mut scan = Scan::default();
        loop {
            let bytes = self.reader.fill_buf().await?;
            if bytes.is_empty() {
                return if frame.is_empty() {
                    Ok(None)
                } else {
                    Err(FrameError::NotJson)
                };
            }
            let mut ended = false;
            let mut used = 0;
            for &byte in bytes {
                used += 1;
                match scan.step(byte) {
                    Step::Skip => continue,
                    Step::Within => {}
                    Step::End => ended = true,
                    Step::Invalid => return Err(FrameError::NotJson),
                }
                if frame.len() == self.max_bytes {
                    return Err(FrameError::TooLarge);
                }
                frame.push(byte);
                if ended {
                    break;
                }
            }
            self.reader.consume(used);
            if ended {
                let text = String::from_utf8(frame);
                return text.map(Some).map_err(|_| FrameError::NotJson);
            }
        }
    }
}

/// What a byte is to the request that is being read.
enum Step {
    /// White space before it.
    Skip,
    Within,
    /// The last one.
    End,
    /// No request begins like this.
    Invalid,
}

/// How far into objects, arrays and strings a request has been read.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    const fn step(&mut self, byte: u8) -> Step {
        if self.in_string {
            if self.escaped {
                self.escaped = false;
            } else {
                match byte {
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
            }
            return Step::Within;
        }
        match byte {
            b'{' | b'[' => self.depth += 1,
            _ if self.depth == 0 => {
                return if byte.is_ascii_whitespace() {
                    Step::Skip
                } else {
                    Step::Invalid
                };
            }
            b'}' | b']' => {
                self.depth -= 1;
                if self.depth == 0 {
                    return Step::End;
                }
            }
            b'"' => self.in_string = true,
            _ => {}
        }
        Step::Within
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::BufReader;

    use super::*;

    /// Reads all requests, in pieces of `piece` bytes; and the error at the end.
    async fn read(bytes: &[u8], piece: usize, max: usize) -> (Vec<String>, Option<FrameError>) {
        let mut frames = Frames::new(BufReader::with_capacity(piece, bytes), max);
        let mut found = Vec::new();
        loop {
            match frames.next().await {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error)),
            }
        }
    }

    #[tokio::test]
    async fn requests_need_nothing_between_them() {
        let text = "{\"a\":1}{\"b\":[2]}[{}]\n\n {\n  \"c\" : \"}]{\\\"\\\\\"\n}\r\n";
        let (found, error) = read(text.as_bytes(), 8, 100).await;
        assert!(error.is_none());
        assert_eq!(
            found,
            [
                "{\"a\":1}",
                "{\"b\":[2]}",
                "[{}]",
                "{\n  \"c\" : \"}]{\\\"\\\\\"\n}"
            ]
        );
    }

    #[tokio::test]
    async fn what_is_no_request_ends_the_stream() {
        for text in [
            "nonsense",
            "{} 5",
            "\"{}\"",
            "}",
            "{",
            "{\"a",
            "{\"\u{0}\": [}",
        ] {
            let (_, error) = read(text.as_bytes(), 8, 100).await;
            assert!(matches!(error, Some(FrameError::NotJson)), "{text}");
        }
        let (_, error) = read(b"{\"\xff\"}", 8, 100).await;
        assert!(matches!(error, Some(FrameError::NotJson)));
    }

    #[tokio::test]
    async fn a_request_may_be_as_long_as_the_limit() {
        let (found, error) = read(b"[123]", 2, 5).await;
        assert_eq!((found.len(), error.is_none()), (1, true));
        let (found, error) = read(b"[1234]", 2, 5).await;
        assert!(found.is_empty());
        assert!(matches!(error, Some(FrameError::TooLarge)));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::hash_map(".*", inner, 0..6)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_values_are_found_again(
            values in prop::collection::vec((json(), any::<bool>(), "[ \n\t\r]{0,3}"), 0..8),
            piece in 1_usize..64,
        ) {
            let mut text = String::new();
            let mut expected = Vec::new();
            for (value, pretty, space) in values {
                let value = serde_json::Value::Array(vec![value]);
                let write = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
                text += &write(&value).expect("it is JSON");
                text += &space;
                expected.push(value);
            }
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let (found, error) = runtime.block_on(read(text.as_bytes(), piece, 1 << 20));
            prop_assert!(error.is_none());
            let found: Vec<serde_json::Value> = found
                .iter()
                .map(|frame| serde_json::from_str(frame).expect("whole values"))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
