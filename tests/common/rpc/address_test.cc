#include "common/rpc/address.h"

#include <gtest/gtest.h>

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
