#include "common/catalogue/places.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/common/catalogue/shipped.h"

namespace hotline::catalogue {
namespace {

std::string Code(const ResolvedPlace& place) {
  return place.township == nullptr ? "" : place.township->code();
}
std::string ByText(std::string_view text) { return Code(ResolvePlace(Shipped(), {}, text)); }

TEST(PlacesTest, WordsTellTheTownship) {
  EXPECT_EQ(ByText("我在吉根乡的牧场上"), "653024208");
  EXPECT_EQ(ByText("去康苏的路上"), "653024101");
  EXPECT_EQ(ByText("没有说在哪里"), "");
  // One name lies within another.
  EXPECT_EQ(ByText("铁列克乡的渠"), "653024205");
  EXPECT_EQ(ByText("波斯坦铁列克乡的渠"), "653024207");
  // A township and a farm of the Corps that share a name.
  EXPECT_EQ(ByText("托云乡有雪"), "653024204");
  EXPECT_EQ(ByText("托云牧场有雪"), "653024501");
  // Two places tell nothing.
  EXPECT_EQ(ByText("从康苏镇到吉根乡的班车"), "");
}

// All pairs of what was found took minutes.
TEST(PlacesTest, ATextFullOfPlacesIsReadInOnePass) {
  std::string one, two;
  for (int i = 0; i < 200'000; ++i) one += "康苏";
  for (int i = 0; i < 100'000; ++i) two += "康苏镇吉根乡";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ByText(one), "653024101");
  EXPECT_EQ(ByText(two), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(PlacesTest, TheLongestWordCountsWhereverItBegins) {
  EXPECT_EQ(ByText("铁列克乡和波斯坦铁列克乡"), "");
  EXPECT_EQ(ByText("波斯坦铁列克乡，波斯坦铁列克乡"), "653024207");
  EXPECT_EQ(ByText("吉根吉根乡吉"), "653024208");
  EXPECT_EQ(ByText("\xe5\xba"), "") << "half a character";
}

TEST(PlacesTest, CodeThenPositionThenAddressThenText) {
  type::v1::Place place;
  place.set_address("黑孜苇村奶站");
  EXPECT_EQ(Code(ResolvePlace(Shipped(), place, "康苏镇")), "653024203");
  EXPECT_EQ(ResolvePlace(Shipped(), place, "康苏镇").source, PlaceSource::kAddress);
  place.set_township_code("653024100");
  EXPECT_EQ(Code(ResolvePlace(Shipped(), place, "康苏镇")), "653024100");
  place.set_township_code("653024999");
  EXPECT_EQ(ResolvePlace(Shipped(), place, "康苏镇").township, nullptr);
}

// Two squares side by side, one with a hole.
TEST(PlacesTest, PositionsAreResolvedWhereThereAreBoundaries) {
  config::v1::Catalogue message = Shipped().message();
  const auto ring = [](config::v1::Township* township, double west, double east, double south, double north) {
    config::v1::BoundaryRing* ring = township->add_boundary();
    for (const auto& [lat, lon] : {std::pair(south, west), {south, east}, {north, east}, {north, west}}) {
      type::v1::Coordinates* point = ring->add_points();
      point->set_latitude(lat);
      point->set_longitude(lon);
    }
  };
  ring(message.mutable_townships(0), 75, 76, 39, 40);
  ring(message.mutable_townships(0), 75.4, 75.6, 39.4, 39.6);
  ring(message.mutable_townships(1), 76, 77, 39, 40);
  const auto catalogue = catalogue::Catalogue::Create(message);
  ASSERT_TRUE(catalogue.ok()) << catalogue.status();
  const auto at = [&](double lat, double lon) {
    type::v1::Place place;
    place.mutable_manual_coordinates()->set_latitude(lat);
    place.mutable_manual_coordinates()->set_longitude(lon);
    // Where the network thinks the telephone is counts only without a person's mark.
    place.mutable_automatic_coordinates()->set_latitude(39.5);
    place.mutable_automatic_coordinates()->set_longitude(76.5);
    return ResolvePlace(**catalogue, place, "");
  };
  EXPECT_EQ(Code(at(39.2, 75.2)), "653024100");
  EXPECT_EQ(at(39.2, 75.2).source, PlaceSource::kBoundary);
  EXPECT_EQ(Code(at(39.5, 76.5)), "653024101");
  EXPECT_EQ(Code(at(39.5, 75.5)), "");
  EXPECT_EQ(Code(at(45, 75.5)), "");
  // The shipped catalogue has none: words still count.
  type::v1::Place place;
  place.mutable_manual_coordinates()->set_latitude(39.2);
  EXPECT_EQ(Code(ResolvePlace(Shipped(), place, "吉根乡")), "653024208");
}

}  // namespace
}  // namespace hotline::catalogue
