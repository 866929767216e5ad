//! An echo server and a client on tonic, without protobuf: a message is whatever bytes came.
//!
//!     peer serve      the service `peers.Echo`
//!     peer call ADDR  one call for each line of standard input, `ID PATH`; tells `ID CODE MESSAGE`

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use tokio::io::AsyncBufReadExt;
use tokio_stream::{Stream, StreamExt, wrappers::TcpListenerStream};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Hands messages on as they are.
#[derive(Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytesCodec;
    type Decoder = BytesCodec;
    fn encoder(&mut self) -> BytesCodec {
        BytesCodec
    }
    fn decoder(&mut self) -> BytesCodec {
        BytesCodec
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}

/// Answers each message with itself. Under a path that ends in /Slow each answer takes 20 ms.
struct Echo {
    slow: bool,
}

impl StreamingService<Bytes> for Echo {
    type Response = Bytes;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;
    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let messages = request.into_inner();
        let replies: Self::ResponseStream = match self.slow {
            false => Box::pin(messages),
            true => Box::pin(messages.throttle(Duration::from_millis(20))),
        };
        std::future::ready(Ok(Response::new(replies)))
    }
}

#[derive(Clone)]
struct Server;

impl NamedService for Server {
    const NAME: &'static str = "peers.Echo";
}

impl Service<http::Request<Body>> for Server {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let slow = request.uri().path().ends_with("/Slow");
        Box::pin(async move { Ok(Grpc::new(BytesCodec).streaming(Echo { slow }, request).await) })
    }
}

async fn serve() -> Result<(), Error> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}, tonic 0.14.9, h2 0.4.20", listener.local_addr()?);
    let connections = TcpListenerStream::new(listener);
    Ok(tonic::transport::Server::builder().add_service(Server).serve_with_incoming(connections).await?)
}

async fn call(address: &str) -> Result<(), Error> {
    let channel = tonic::transport::Endpoint::new(format!("http://{address}"))?.connect_lazy();
    println!("calling {address}, tonic 0.14.9, h2 0.4.20");
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    let mut calls = tokio::task::JoinSet::new();
    while let Some(line) = lines.next_line().await? {
        let (id, path) = line.split_once(' ').ok_or("a line is `ID PATH`")?;
        let (id, path, channel) = (id.to_owned(), path.parse()?, channel.clone());
        calls.spawn(async move {
            let mut client = tonic::client::Grpc::new(channel);
            let outcome = match client.ready().await {
                Ok(()) => client.unary::<Bytes, Bytes, _>(Request::new("question".into()), path, BytesCodec).await,
                Err(error) => Err(Status::unavailable(error.to_string())),
            };
            let (code, message) = match &outcome {
                Ok(_) => (0, String::new()),
                Err(status) => (status.code() as i32, status.message().chars().take(200).collect()),
            };
            println!("{id} {code} {message:?}");
        });
    }
    calls.join_all().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve().await,
        ["call", address] => call(address).await,
        _ => Err("usage: peer serve | call ADDRESS".into()),
    }
}
