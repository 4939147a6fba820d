//! A service on loopback that answers one request with fixed bytes, or never.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Service {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Service {
    /// Answers with this. A `content-length` among the headers takes the place of the true one.
    pub fn answering(status: u16, headers: &[(&str, &str)], body: Vec<u8>) -> Self {
        let mut answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n").into_bytes();
        for (name, value) in headers {
            answer.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !headers.iter().any(|(name, _)| *name == "content-length") {
            answer.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        answer.extend_from_slice(b"\r\n");
        answer.extend_from_slice(&body);
        Self::with(Some(answer))
    }

    /// Takes connections, and keeps them open without a word.
    pub fn silent() -> Self {
        Self::with(None)
    }

    fn with(answer: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, seen) = (answer.clone(), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, answer.as_deref(), &seen));
            }
        });
        Self { address, seen }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The last request, head and body.
    pub fn request(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

fn serve(stream: TcpStream, answer: Option<&[u8]>, seen: &Mutex<Vec<u8>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let Some(answer) = answer else {
        let mut part = [0u8; 4096];
        while let Ok(length) = reader.read(&mut part) {
            if length == 0 {
                return;
            }
            seen.lock().unwrap().extend_from_slice(&part[..length]);
        }
        return;
    };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&head).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|n| n.parse().ok());
    let mut body = vec![0u8; length.unwrap_or(0)];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    head.extend_from_slice(&body);
    *seen.lock().unwrap() = head;
    let mut stream = stream;
    // A caller that has seen enough hangs up.
    let _ = stream.write_all(answer);
}
