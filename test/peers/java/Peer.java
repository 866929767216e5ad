import io.grpc.CallOptions;
import io.grpc.HandlerRegistry;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Server;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.TimeUnit;

/**
 * An echo server and a client on grpc-java, without protobuf: a message is whatever bytes came.
 *
 *     Peer serve
 *     Peer serve-health  the same beside grpc-java's health service; each line of standard input is `SERVICE STATUS`
 *     Peer call ADDR  one call for each line of standard input, `ID PATH`; tells `ID CODE MESSAGE`
 */
public final class Peer {
  private static final String VERSION = io.grpc.internal.GrpcUtil.IMPLEMENTATION_VERSION;

  /** Hands messages on as they are. */
  private static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] message) {
          return new ByteArrayInputStream(message);
        }

        @Override
        public byte[] parse(InputStream message) {
          try {
            return message.readAllBytes();
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        }
      };

  private static MethodDescriptor<byte[], byte[]> method(MethodType type, String name) {
    return MethodDescriptor.newBuilder(BYTES, BYTES).setType(type).setFullMethodName(name).build();
  }

  /** Answers each message with itself. Under a path that ends in /Slow each answer takes 20 ms. */
  private static StreamObserver<byte[]> echo(boolean slow, StreamObserver<byte[]> replies) {
    return new StreamObserver<>() {
      @Override
      public void onNext(byte[] message) {
        if (slow) pause();
        replies.onNext(message);
      }

      @Override
      public void onError(Throwable cancelled) {}

      @Override
      public void onCompleted() {
        replies.onCompleted();
      }
    };
  }

  private static void pause() {
    try {
      Thread.sleep(20);
    } catch (InterruptedException ended) {
      Thread.currentThread().interrupt();
    }
  }

  private static void serve(HealthStatusManager health) throws Exception {
    HandlerRegistry all =
        new HandlerRegistry() {
          @Override
          public ServerMethodDefinition<?, ?> lookupMethod(String name, String authority) {
            return ServerMethodDefinition.create(
                method(MethodType.BIDI_STREAMING, name),
                ServerCalls.asyncBidiStreamingCall(replies -> echo(name.endsWith("/Slow"), replies)));
          }
        };
    NettyServerBuilder builder =
        NettyServerBuilder.forAddress(
                new InetSocketAddress("127.0.0.1", 0), io.grpc.InsecureServerCredentials.create())
            .fallbackHandlerRegistry(all);
    if (health != null) builder.addService(health.getHealthService());
    Server server = builder.build().start();
    System.out.println("listening on 127.0.0.1:" + server.getPort() + ", grpc-java " + VERSION);
    if (health != null) setStatuses(health);
    server.awaitTermination();
  }

  private static void setStatuses(HealthStatusManager health) throws IOException {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split(" ", 2);
      health.setStatus(words[0], ServingStatus.valueOf(words[1]));
    }
  }

  private static void call(String address) throws Exception {
    ManagedChannel channel =
        NettyChannelBuilder.forTarget(address, InsecureChannelCredentials.create()).build();
    System.out.println("calling " + address + ", grpc-java " + VERSION);
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    AtomicInteger open = new AtomicInteger(1);
    CountDownLatch over = new CountDownLatch(1);
    Runnable ended =
        () -> {
          if (open.decrementAndGet() == 0) over.countDown();
        };
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split(" ", 2);
      open.incrementAndGet();
      ClientCalls.asyncUnaryCall(
          channel.newCall(
              method(MethodType.UNARY, words[1].substring(1)),
              CallOptions.DEFAULT.withDeadlineAfter(60, TimeUnit.SECONDS)),
          "question".getBytes(),
          new StreamObserver<>() {
            @Override
            public void onNext(byte[] reply) {}

            @Override
            public void onError(Throwable error) {
              Status status = Status.fromThrowable(error);
              tell(words[0], status.getCode().value(), String.valueOf(status.getDescription()));
              ended.run();
            }

            @Override
            public void onCompleted() {
              tell(words[0], 0, "");
              ended.run();
            }
          });
    }
    ended.run();
    over.await();
    channel.shutdownNow();
  }

  private static synchronized void tell(String id, int code, String message) {
    String text = message.length() > 200 ? message.substring(0, 200) : message;
    System.out.println(id + " " + code + " \"" + text.replaceAll("[\\p{Cntrl}\"]", "?") + "\"");
  }

  public static void main(String[] args) throws Exception {
    if (args.length == 1 && args[0].equals("serve")) serve(null);
    else if (args.length == 1 && args[0].equals("serve-health")) serve(new HealthStatusManager());
    else if (args.length == 2 && args[0].equals("call")) call(args[1]);
    else {
      System.err.println("usage: Peer serve | serve-health | call ADDRESS");
      System.exit(1);
    }
  }
}
