//! Reading of pages whose size the server decides.

use super::innermost;

/// Returns the text of a page of at most `limit` bytes. A compressed page may be much larger than what was sent.
///
/// # Errors
/// The connection ended, or the page is larger, as text.
pub(super) async fn text(mut response: reqwest::Response, limit: u64) -> Result<String, String> {
    let mut content = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| innermost(&error))? {
        content.extend_from_slice(&part);
        if content.len() as u64 > limit {
            return Err(format!("the page is larger than {}", indicatif::DecimalBytes(limit)));
        }
    }
    Ok(String::from_utf8_lossy(&content).into_owned())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Serves one page without a length, which ends after `parts` kilobytes or with the connection.
    async fn read(parts: usize, limit: u64) -> Result<String, String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).await;
            let _ = connection
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                .await;
            for _ in 0..parts {
                if connection.write_all(&[b'x'; 1000]).await.is_err() {
                    break;
                }
            }
        });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let response = client
            .get(format!("http://{address}/"))
            .send()
            .await
            .expect("an answer");
        text(response, limit).await
    }

    /// Bug: a page without an end was read until the memory was full.
    #[tokio::test]
    async fn an_endless_page_is_refused() {
        assert_eq!(read(5, 5_000).await.map(|page| page.len()), Ok(5_000));
        let refused = read(usize::MAX, 5_000).await.expect_err("endless");
        assert_eq!(refused, "the page is larger than 5.00 kB");
    }
}
