// Pushes one order to the other hotline and tells what becomes of it until it is accepted or comes back.
//
//   java -cp CLASSES Push HOST:PORT TARGET TITLE TEXT
//
// Needs grpc-java (netty, not netty-shaded, which has the same in packages of other names; protobuf, stub), gson, proto-google-common-protos, and classes that protoc and grpc-java's plugin make of
// proto/. SERVICE_CONFIG names deploy/clients/service-config.json.

import com.google.gson.Gson;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.LocalizedMessage;
import com.google.rpc.RetryInfo;
import hotline.dispatch.v1.DispatchServiceGrpc;
import hotline.dispatch.v1.DispatchServiceOuterClass.PushWorkOrderRequest;
import hotline.dispatch.v1.DispatchServiceOuterClass.WatchHandoffsRequest;
import hotline.dispatch.v1.DispatchServiceOuterClass.WatchHandoffsResponse;
import hotline.type.v1.EventOuterClass.Event;
import hotline.type.v1.OrderStateOuterClass.OrderState;
import hotline.type.v1.WorkOrderOuterClass.Channel;
import hotline.type.v1.WorkOrderOuterClass.OrderType;
import hotline.type.v1.WorkOrderOuterClass.Urgency;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

public final class Push {
  private static final Set<Code> TRY_LATER = Set.of(Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.CANCELLED);

  // Calls are tried again by the service config, and wait for a service that is being restarted. With certificates, instead of
  // usePlaintext: .sslContext(GrpcSslContexts.forClient().trustManager(ca).keyManager(certificate, key).build())
  @SuppressWarnings("unchecked")
  private static ManagedChannel connect(String address) throws Exception {
    // Gson reads numbers as doubles, which is what defaultServiceConfig wants.
    Map<String, ?> config = new Gson().fromJson(Files.readString(Path.of(System.getenv("SERVICE_CONFIG"))), Map.class);
    return NettyChannelBuilder.forTarget(address).usePlaintext().defaultServiceConfig(config).enableRetry()
        .keepAliveTime(30, TimeUnit.SECONDS).build();
  }

  // The detail of this type that came with a failure; null if none did.
  private static <T extends Message> T detailOf(StatusRuntimeException error, Class<T> type) throws InvalidProtocolBufferException {
    com.google.rpc.Status status = StatusProto.fromThrowable(error);
    if (status == null) return null;
    for (com.google.protobuf.Any detail : status.getDetailsList()) {
      if (detail.is(type)) return detail.unpack(type);
    }
    return null;
  }

  // The sentence in Chinese that came with a failure.
  private static String explain(StatusRuntimeException error) throws InvalidProtocolBufferException {
    LocalizedMessage text = detailOf(error, LocalizedMessage.class);
    return text == null ? error.getMessage() : text.getMessage();
  }

  // For how many milliseconds the service asks to be left alone. Calls that the service config tries again heed it by themselves.
  private static long askedPause(StatusRuntimeException error) throws InvalidProtocolBufferException {
    RetryInfo retry = detailOf(error, RetryInfo.class);
    return retry == null ? 0 : retry.getRetryDelay().getSeconds() * 1000 + retry.getRetryDelay().getNanos() / 1_000_000;
  }

  // Without details it was not the service that is short of something: the message is larger than may be.
  private static boolean isWorthRepeating(StatusRuntimeException error) {
    if (error.getStatus().getCode() != Code.RESOURCE_EXHAUSTED) return TRY_LATER.contains(error.getStatus().getCode());
    com.google.rpc.Status status = StatusProto.fromThrowable(error);
    return status != null && status.getDetailsCount() > 0;
  }

  // Gives every event from `start` on, once, over breaks of the stream, until `more` says that it was the last; all of them anew
  // where the site was restored from a backup.
  private static void watch(DispatchServiceGrpc.DispatchServiceBlockingStub dispatch, long start, Predicate<Event> more)
      throws InterruptedException, InvalidProtocolBufferException {
    for (long pause = 200;; Thread.sleep(pause)) {
      pause = 200;
      try {
        Iterator<WatchHandoffsResponse> messages =
            dispatch.watchHandoffs(WatchHandoffsRequest.newBuilder().setStartSequence(start).build());
        while (messages.hasNext()) {
          WatchHandoffsResponse message = messages.next();
          for (Event event : message.getEventsList()) {
            if (!more.test(event)) return;
          }
          start = Math.max(start, message.getWatermark() + 1);
          if (message.getDraining()) break;
        }
      } catch (StatusRuntimeException error) {
        if (error.getStatus().getCode() == Code.OUT_OF_RANGE && start > 1) {
          start = 1; // The log ends before what was seen: it is another one by now.
        } else if (!isWorthRepeating(error)) {
          throw error;
        }
        pause = Math.max(pause, askedPause(error));
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 4 || System.getenv("SERVICE_CONFIG") == null) {
      System.err.println("java -cp CLASSES Push HOST:PORT TARGET TITLE TEXT   (SERVICE_CONFIG set: see the head of Push.java)");
      System.exit(2);
    }
    ManagedChannel channel = connect(arguments[0]);
    Metadata account = new Metadata();
    account.put(Metadata.Key.of("hotline-account", Metadata.ASCII_STRING_MARSHALLER), "1001");
    DispatchServiceGrpc.DispatchServiceBlockingStub dispatch =
        DispatchServiceGrpc.newBlockingStub(channel).withInterceptors(MetadataUtils.newAttachHeadersInterceptor(account));
    PushWorkOrderRequest.Builder request = PushWorkOrderRequest.newBuilder().setReceiptWait(Duration.newBuilder().setSeconds(2));
    request.getHeaderBuilder().setRequestId(UUID.randomUUID().toString()) // kept until there is an answer
        .getActorBuilder().setAccount("1001");
    request.getOfferBuilder().setToHotline(arguments[1]);
    request.getContentBuilder().setType(OrderType.ORDER_TYPE_HELP).setChannel(Channel.CHANNEL_PHONE)
        .setUrgency(Urgency.URGENCY_NORMAL).setTitle(arguments[2]).setText(arguments[3]).getCallerBuilder().setAnonymous(true);
    try {
      var order =
          dispatch.withDeadlineAfter(15, TimeUnit.SECONDS).withWaitForReady().pushWorkOrder(request.build()).getOrder();
      System.out.println(order.getNumber() + " pushed");
      watch(dispatch, 1, event -> {
        if (!event.getOrderId().equals(order.getId())) return true;
        System.out.println(event.getOrderNumber() + " " + event.getState());
        return event.getState() != OrderState.ORDER_STATE_ACCEPTED && event.getState() != OrderState.ORDER_STATE_RETURNED;
      });
    } catch (StatusRuntimeException error) {
      System.err.println(explain(error));
      System.exit(1);
    }
    channel.shutdownNow();
  }
}
