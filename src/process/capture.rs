//! Reading of a program's output, of which only so much is kept that it fits into memory.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

/// The largest output that is kept, in bytes.
pub(crate) const LARGEST: usize = 64_000_000;

/// The longest line of standard error that is kept, in bytes.
const LONGEST_LINE: usize = 64_000;

/// Reads an output to its end and returns its first [`LARGEST`] bytes.
pub(super) async fn bytes(mut output: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    (&mut output).take(LARGEST as u64).read_to_end(&mut kept).await?;
    // The program must be able to write the rest.
    tokio::io::copy(&mut output, &mut tokio::io::sink()).await?;
    Ok(kept)
}

/// Reads an output to its end, calls `line` with each line, and returns the text: its first and last parts if it is
/// longer than [`LARGEST`]. Of a line, the first [`LONGEST_LINE`] bytes are kept.
pub(super) async fn lines(output: impl AsyncRead + Unpin, line: &mut impl FnMut(&str)) -> io::Result<String> {
    let mut reader = BufReader::new(output);
    let (mut first, mut last) = (String::new(), String::new());
    let mut bytes = Vec::new();
    while read_line(&mut reader, &mut bytes).await? {
        let one = String::from_utf8_lossy(&bytes);
        line(one.trim_end_matches('\r'));
        if last.is_empty() && first.len() + one.len() < LARGEST / 2 {
            first.push_str(&one);
            first.push('\n');
            continue;
        }
        // The end says why a program failed.
        if last.len() + one.len() > LARGEST / 2 {
            let mut half = last.len() / 2;
            while !last.is_char_boundary(half) {
                half += 1;
            }
            last.drain(..half);
        }
        last.push_str(&one);
        last.push('\n');
    }
    Ok(first + &last)
}

/// Reads a line without its end into `line`. Returns `false` at the end of the output.
async fn read_line(reader: &mut BufReader<impl AsyncRead + Unpin>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let read = reader.fill_buf().await?;
        if read.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = read.iter().position(|byte| *byte == b'\n');
        let part = &read[..end.unwrap_or(read.len())];
        line.extend_from_slice(&part[..part.len().min(LONGEST_LINE.saturating_sub(line.len()))]);
        let used = end.map_or(read.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_the_lines_of_the_output() {
        for (output, expected) in [
            ("", vec![]),
            ("a", vec!["a"]),
            ("a\n", vec!["a"]),
            ("a\r\n\nb", vec!["a", "", "b"]),
        ] {
            let mut seen = Vec::new();
            let text = lines(output.as_bytes(), &mut |line| seen.push(line.to_owned())).await;
            assert_eq!(seen, expected, "{output:?}");
            assert_eq!(text.expect("read").lines().collect::<Vec<_>>(), expected, "{output:?}");
        }
    }

    /// Bug: the whole output of a program was kept in memory.
    #[tokio::test]
    async fn an_endless_output_is_cut_and_its_end_is_kept() {
        let output = tokio::io::repeat(b'x').take(3 * LARGEST as u64);
        assert_eq!(bytes(output).await.expect("read").len(), LARGEST);
        let noise = format!("{}\n", "y".repeat(100)).repeat(LARGEST / 50);
        let output = format!("start\n{}\n{noise}end\n", "z".repeat(1_000_000));
        let text = lines(output.as_bytes(), &mut |line| assert!(line.len() <= LONGEST_LINE)).await;
        let text = text.expect("read");
        assert!(text.len() <= LARGEST + LONGEST_LINE, "{}", text.len());
        assert!(text.starts_with("start\nzzz") && text.ends_with("\nend\n"));
    }
}
