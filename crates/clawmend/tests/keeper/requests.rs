//! Who may speak to it, and what it makes of garbage.

use super::lab::{Lab, PATIENCE, until};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

#[tokio::test(flavor = "current_thread")]
async fn garbage_closes_its_own_connection_only() {
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let spawned = lab.spawn(&mut keeper, 1, "exec sleep 600").await;
    let long = vec![b'a'; 200 * 1024];
    let inputs: [&[u8]; 4] = [b"GET / HTTP/1.1\r\n\r\n", b"\0\xff\xfe\n", b"[1,2]\n", &long];
    for input in inputs {
        let mut stream = UnixStream::connect(lab.keeper_dir().join("keeper.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The keeper may hang up before all of it was written.
        drop(stream.write_all(input));
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty()),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    let mut stream = UnixStream::connect(lab.keeper_dir().join("keeper.sock")).unwrap();
    stream.write_all(b"{\"v\":9,\"id\":4,\"do\":\"dance\"}\n{\"v\":1,\"id\":5,\"do\":\"tail\"}\n").unwrap();
    let mut reply = [0; 4096];
    let mut text = String::new();
    while text.lines().count() < 2 {
        let length = stream.read(&mut reply).unwrap();
        text.push_str(&String::from_utf8_lossy(&reply[..length]));
    }
    assert!(text.contains("unknown_request") && text.contains("bad_request"), "{text}");
    assert_eq!(keeper.hello().await.unwrap().child.unwrap().incarnation, spawned.incarnation);
}

#[tokio::test(flavor = "current_thread")]
async fn the_gateways_own_tree_may_not_speak_to_the_keeper() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: no python3");
        return;
    }
    let mut lab = Lab::new();
    let mut keeper = lab.keeper().await;
    let socket = lab.keeper_dir().join("keeper.sock");
    let script = format!(
        "python3 -c \"import socket; s=socket.socket(socket.AF_UNIX); s.connect('{}'); \
         s.sendall(b'{{}}'); print('got', len(s.recv(10)))\" > OUT 2>&1; echo over > OVER; exec sleep 600",
        socket.display()
    );
    lab.spawn(&mut keeper, 1, &script).await;
    until("the attempt", || lab.dir.path().join("OVER").exists()).await;
    let out = std::fs::read_to_string(lab.dir.path().join("OUT")).unwrap();
    assert!(out.contains("got 0") || out.contains("BrokenPipe") || out.contains("ConnectionReset"), "{out}");
}
