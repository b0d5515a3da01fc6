#include "common/rpc/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace hotline::rpc {
namespace {

TEST(AddressTest, ReadsHostAndPort) {
  struct Case {
    const char* text;
    const char* host;
    int port;
  };
  for (const Case& c :
       {Case{"127.0.0.1:12301", "127.0.0.1", 12301}, Case{"localhost:0", "localhost", 0},
        Case{"[::1]:65535", "::1", 65535}, Case{"peer.example-1.cn:1", "peer.example-1.cn", 1}}) {
    const auto address = ParseAddress(c.text);
    ASSERT_TRUE(address.has_value()) << c.text;
    EXPECT_EQ(address->host, c.host);
    EXPECT_EQ(address->port, c.port);
    EXPECT_EQ(FormatAddress(address->host, address->port), c.text);
  }
}

TEST(AddressTest, RefusesWhatIsNone) {
  for (const char* text : {"", ":", "host", "host:", ":1", "host:65536", "host:-1", "host:+1", "host:1x",
                           "host: 1", "::1:80", "[::1]80", "[::1", "[x]:1", "[]:1", "a b:1", "dns:///x:1",
                           "host:99999999999999999999", "unix:/tmp/x"}) {
    EXPECT_FALSE(ParseAddress(text).has_value()) << text;
  }
}

TEST(AddressTest, SaysWhyNobodyCanListenThere) {
  const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(listen(taken, 1), 0);
  ASSERT_EQ(getsockname(taken, reinterpret_cast<sockaddr*>(&name), &size), 0);
  const auto why = [](const std::string& address) {
    const absl::Status status = CannotListen(address, "x.listen.address", "who knows");
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(status.message());
  };
  const std::string address = FormatAddress("127.0.0.1", ntohs(name.sin_port));
  EXPECT_EQ(why(address), "cannot listen on " + address +
                              " (x.listen.address): address already in use (`ss -ltnp` shows by whom)");
  close(taken);
  EXPECT_EQ(why(address), "cannot listen on " + address + " (x.listen.address): who knows");
  // For documentation, RFC 5737.
  EXPECT_NE(why("192.0.2.1:0").find("192.0.2.1 is no address of this machine"), std::string::npos);
  // No name server is asked for what can be no name.
  EXPECT_NE(why(std::string(64, 'a') + ".invalid:1").find("name not found"), std::string::npos);
}

TEST(AddressTest, KnowsLoopback) {
  for (const char* host : {"127.0.0.1", "127.255.0.9", "::1", "localhost", "LOCALHOST"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "128.0.0.1", "10.127.0.1", "example.cn", "localhost.example.cn",
                           "127.0.0.1.cn", "::2", ""}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace hotline::rpc
