#include "tests/support/orders.h"

#include <atomic>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace hotline::test {
namespace {

struct Sample {
  const char* title;
  const char* text;
  const char* address;
  const char* township;
  const char* item;
  type::v1::OrderType type;
};

constexpr Sample kSamples[] = {
    {"家属院门口夜间烧烤摊占道油烟扰民",
     "来电人反映小区东门外每天晚上九点以后有三家烧烤摊把桌椅摆到人行道上，油烟直接飘进一楼和二楼住户家里，"
     "客人喝酒吵闹到凌晨两点，孩子第二天还要上学。之前跟摊主说过两次，对方答应收摊但没有改，希望有关部门到现"
     "场管一管，"
     "并告知以后由谁负责日常巡查。",
     "乌恰镇团结路幸福家园东门", "653024100", "A3", type::v1::ORDER_TYPE_COMPLAINT},
    {"村口路灯连续一周不亮影响老人出行",
     "来电人称村委会到卫生室之间的路灯从上周一开始全部不亮，傍晚以后老人和放学的孩子走这段路很不安全，前天已"
     "有一位老人"
     "摔倒擦伤。村里说要等厂家来修，一直没有准信。来电人希望尽快派人检修，修好之前先在转弯处装一盏临时灯。",
     "黑孜苇乡江吉尔村二组", "653024203", "A5", type::v1::ORDER_TYPE_HELP},
    {"商店出售过期乳制品要求查处并退款",
     "来电人昨天下午在镇上的便民超市买了两箱牛奶，回家后发现外箱的生产日期被刮掉，里面单盒显示已过期十六天，"
     "孩子喝了一盒"
     "后肚子疼。找店家理论，店家说概不退换。来电人保留了购物小票和照片，要求核查该店其他商品并退还货款。",
     "康苏镇人民路便民超市", "653024101", "A6", type::v1::ORDER_TYPE_REPORT},
    {"两户因灌溉用水发生争吵请求现场处置",
     "来电人称今天上午两户村民因为放水先后顺序在渠边争吵，其中一方拿着铁锹，围了十几个人，村干部劝不开，担心"
     "动手。"
     "来电人希望民警尽快到场，同时请水管站的人一起来把轮灌的时间说清楚，免得再闹。",
     "膘尔托阔依乡阿合奇村渠首", "653024202", "B2", type::v1::ORDER_TYPE_HELP},
};

std::atomic<uint64_t> next_request{[] {
  std::random_device random;
  return (static_cast<uint64_t>(random()) << 32 | random()) & 0x00ffffff00000000;
}()};

}  // namespace

type::v1::OrderContent MakeContent(int64_t n) {
  const Sample& sample = kSamples[static_cast<size_t>(n) % std::size(kSamples)];
  type::v1::OrderContent content;
  content.set_type(sample.type);
  content.set_channel(type::v1::CHANNEL_PHONE);
  content.set_urgency(type::v1::URGENCY_NORMAL);
  content.set_title(sample.title);
  content.set_text(sample.text);
  type::v1::Caller& caller = *content.mutable_caller();
  caller.set_name("测试来电人");
  PhoneOf(n, caller.mutable_phone());
  caller.set_language("zh");
  type::v1::Place& place = *content.mutable_place();
  place.set_township_code(sample.township);
  place.set_address(sample.address);
  place.mutable_manual_coordinates()->set_latitude(39.7 + static_cast<double>(n % 1000) * 1e-4);
  place.mutable_manual_coordinates()->set_longitude(75.2);
  content.mutable_catalogue()->set_item(sample.item);
  content.mutable_catalogue()->set_version("wuqia-2024-6");
  content.mutable_call()->set_call_id(absl::StrCat("call-", n));
  content.mutable_call()->set_recording_id(absl::StrCat("recording-", n));
  content.mutable_call()->set_seat("07");
  return content;
}

dispatch::v1::PushWorkOrderRequest MakePush(int64_t n, const std::string& to_hotline) {
  dispatch::v1::PushWorkOrderRequest request;
  NextRequestId(request.mutable_header()->mutable_request_id());
  request.mutable_header()->mutable_actor()->set_account("1001");
  request.mutable_header()->mutable_actor()->set_seat("07");
  *request.mutable_content() = MakeContent(n);
  request.mutable_offer()->set_to_hotline(to_hotline);
  request.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_ORDER_PUSH);
  return request;
}

void NextRequestId(std::string* id) {
  constexpr char kHex[] = "0123456789abcdef";
  const uint64_t millis = static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()));
  const uint64_t count = next_request.fetch_add(1, std::memory_order_relaxed);
  // RFC 9562: 48 bits of time, version, 12 bits, variant, 62 bits. The counter fills what is not fixed.
  const uint64_t high = millis << 16 | 0x7000 | (count >> 20 & 0xfff);
  const uint64_t low = 0x8000000000000000 | (count & 0xfffff) << 40 | (count >> 32 & 0xffffffffff);
  id->resize(36);
  char* out = id->data();
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) *out++ = '-';
    const uint64_t word = nibble < 16 ? high : low;
    *out++ = kHex[word >> (60 - 4 * (nibble & 15)) & 0xf];
  }
}

std::string NextRequestId() {
  std::string id;
  NextRequestId(&id);
  return id;
}

void PhoneOf(int64_t n, std::string* phone) {
  phone->assign("13900000000");
  for (int digit = 10; digit >= 3; --digit, n /= 10)
    (*phone)[static_cast<size_t>(digit)] = static_cast<char>('0' + n % 10);
}

}  // namespace hotline::test
