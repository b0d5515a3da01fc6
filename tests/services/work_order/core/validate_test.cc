// Every bound of what people send: at the bound it passes, one beyond it fails with its reason and path.
#include "services/work_order/core/validate.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "common/error/error.h"
#include "gtest/gtest.h"
#include "services/work_order/core/order.h"
#include "tests/services/work_order/core/world.h"

namespace hotline::work_order {
namespace {

using type::v1::Command;
using type::v1::OrderContent;

const absl::Time kNow = absl::FromUnixSeconds(1'796'000'000);

Site TestSite() {
  Site site;
  site.hotline = "12345";
  site.peers = {"110", "119"};
  site.units = {"housing", "water", "police", "chengguan"};
  for (int i = 0; i < 17; ++i) site.units.insert("unit" + std::to_string(i));
  return site;
}

// Reason and path, as `TEXT_TOO_LONG content.title`; `OK` if nothing is wrong.
std::string Say(const absl::Status& status) {
  if (status.ok()) return "OK";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(error::ChineseOf(status), "");
  return std::string(error::ReasonName(error::ReasonOf(status))) + " " + error::FieldOf(status);
}

std::string Content(const std::function<void(OrderContent&)>& edit) {
  OrderContent content = SampleContent();
  edit(content);
  return Say(ValidateContent(content, TestSite(), kNow));
}

std::string Action(Act act, const std::function<void(Command&)>& edit) {
  Command command = MakeCommand(act, "0000000000001", "110", kNow);
  edit(command);
  return Say(ValidateAction(command, TestSite(), kNow));
}

std::string Header(const std::function<void(type::v1::CommandHeader&)>& edit) {
  Command command = MakeCommand(Act::kAccept, "0000000000001", "110", kNow);
  edit(*command.mutable_header());
  return Say(ValidateHeader(command.header()));
}

// `n` characters of three bytes each, so that bytes and characters are told apart.
std::string Han(int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += "字";
  return text;
}

google::protobuf::Timestamp At(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  ToProto(time, &timestamp);
  return timestamp;
}

constexpr char kBroken[] = "\xe5\xad";  // half a character

TEST(ValidateContent, TheSampleAndTheLeastPass) {
  EXPECT_EQ(Content([](OrderContent&) {}), "OK");
  OrderContent least;
  least.set_type(type::v1::ORDER_TYPE_OTHER);
  least.set_channel(type::v1::CHANNEL_WEB);
  least.set_urgency(type::v1::URGENCY_NORMAL);
  least.set_title("题");
  least.set_text("文");
  least.mutable_caller()->set_anonymous(true);
  EXPECT_EQ(Say(ValidateContent(least, TestSite(), kNow)), "OK");
}

TEST(ValidateContent, LanguagesOfTheCounty) {
  EXPECT_EQ(Content([](OrderContent& c) {
              c.set_title("كوچىدا سۇ ئۈزۈلۈپ قالدى");
              c.set_text("مەھەللىمىزدە ئۈچ كۈندىن بېرى سۇ يوق.\nيولنىڭ چىرىغىمۇ يانمايدۇ.");
              c.mutable_caller()->set_name("ئايگۈل");
              c.mutable_caller()->set_language("ug");
            }),
            "OK");
  EXPECT_EQ(
      Content([](OrderContent& c) {
        c.set_title("قىشتاقتا چىراق جانبايت");
        c.set_text("Айылда үч күндөн бери жарык жок.\nЖолдун чырагы да күйбөйт. Өтүнөбүз, жардам бергиле ☎");
        c.mutable_caller()->set_language("ky");
      }),
      "OK");
  // Directional and joining marks belong to the scripts.
  EXPECT_EQ(Content([](OrderContent& c) { c.set_title("\u200fئۈرۈمچى\u200c 110"); }), "OK");
}

TEST(ValidateContent, Enums) {
  EXPECT_EQ(Content([](OrderContent& c) { c.clear_type(); }), "FIELD_REQUIRED content.type");
  EXPECT_EQ(Content([](OrderContent& c) { c.set_type(static_cast<type::v1::OrderType>(99)); }),
            "ENUM_INVALID content.type");
  EXPECT_EQ(Content([](OrderContent& c) { c.set_type(static_cast<type::v1::OrderType>(-1)); }),
            "ENUM_INVALID content.type");
  EXPECT_EQ(Content([](OrderContent& c) { c.clear_channel(); }), "FIELD_REQUIRED content.channel");
  EXPECT_EQ(Content([](OrderContent& c) { c.set_channel(static_cast<type::v1::Channel>(6)); }),
            "ENUM_INVALID content.channel");
  EXPECT_EQ(Content([](OrderContent& c) { c.clear_urgency(); }), "FIELD_REQUIRED content.urgency");
  EXPECT_EQ(Content([](OrderContent& c) { c.set_urgency(static_cast<type::v1::Urgency>(4)); }),
            "ENUM_INVALID content.urgency");
}

// A text of the content: its path, its bound, and how to reach it.
struct TextBound {
  const char* path;
  int max;
  bool required;
  bool multi_line;
  std::string* (*field)(OrderContent&);
};

const TextBound kTexts[] = {
    {"content.title", 100, true, false, [](OrderContent& c) { return c.mutable_title(); }},
    {"content.text", 8000, true, true, [](OrderContent& c) { return c.mutable_text(); }},
    {"content.caller.name", 64, false, false,
     [](OrderContent& c) { return c.mutable_caller()->mutable_name(); }},
    {"content.place.address", 200, false, false,
     [](OrderContent& c) { return c.mutable_place()->mutable_address(); }},
    {"content.catalogue.version", 64, false, false,
     [](OrderContent& c) { return c.mutable_catalogue()->mutable_version(); }},
    {"content.call.call_id", 128, false, false,
     [](OrderContent& c) { return c.mutable_call()->mutable_call_id(); }},
    {"content.call.recording_id", 128, false, false,
     [](OrderContent& c) { return c.mutable_call()->mutable_recording_id(); }},
    {"content.call.seat", 32, false, false, [](OrderContent& c) { return c.mutable_call()->mutable_seat(); }},
    {"content.police.related_number", 64, false, false,
     [](OrderContent& c) { return c.mutable_police()->mutable_related_number(); }},
    {"content.police.action", 2000, false, true,
     [](OrderContent& c) { return c.mutable_police()->mutable_action(); }},
};

TEST(ValidateContent, Texts) {
  for (const TextBound& text : kTexts) {
    SCOPED_TRACE(text.path);
    const auto with = [&](const std::string& value) {
      return Content([&](OrderContent& c) { *text.field(c) = value; });
    };
    const std::string path = text.path;
    EXPECT_EQ(with(Han(text.max)), "OK");
    EXPECT_EQ(with(Han(text.max + 1)), "TEXT_TOO_LONG " + path);
    EXPECT_EQ(with(std::string(static_cast<size_t>(text.max) * 5, 'x')), "TEXT_TOO_LONG " + path);
    EXPECT_EQ(with(kBroken), "TEXT_INVALID " + path);
    EXPECT_EQ(with(std::string("a\0b", 3)), "TEXT_INVALID " + path);
    EXPECT_EQ(with("a\x1b[31mb"), "TEXT_INVALID " + path);
    EXPECT_EQ(with("a\nb"), text.multi_line ? "OK" : "TEXT_INVALID " + path);
    EXPECT_EQ(with(""), text.required ? "FIELD_REQUIRED " + path : "OK");
    EXPECT_EQ(with("  "), text.required ? "FIELD_REQUIRED " + path : "OK");
    // What a Chinese keyboard's space bar writes, and what nobody sees.
    for (const char* blank : {"\u3000", "\u00a0\u2003", "\u200b\u200d", "\u3164"}) {
      EXPECT_EQ(with(blank), text.required ? "FIELD_REQUIRED " + path : "OK") << blank;
    }
    for (const char* lines : {"a\u2028b", "a\u2029b"}) {
      EXPECT_EQ(with(lines), text.multi_line ? "OK" : "TEXT_INVALID " + path) << lines;
    }
  }
}

TEST(ValidateContent, Caller) {
  EXPECT_EQ(Content([](OrderContent& c) { c.clear_caller(); }), "FIELD_REQUIRED content.caller");
  EXPECT_EQ(Content([](OrderContent& c) {
              c.mutable_caller()->set_anonymous(true);
              c.mutable_caller()->clear_phone();
            }),
            "FIELD_INVALID content.caller.name");
  EXPECT_EQ(Content([](OrderContent& c) {
              c.mutable_caller()->set_anonymous(true);
              c.mutable_caller()->clear_name();
            }),
            "FIELD_INVALID content.caller.phone");
  EXPECT_EQ(Content([](OrderContent& c) { c.mutable_caller()->set_language("zh-Hans-CN-x-abc"); }), "OK");
  EXPECT_EQ(Content([](OrderContent& c) { c.mutable_caller()->set_language("zh-Hans-CN-x-abcd"); }),
            "TEXT_TOO_LONG content.caller.language");
  EXPECT_EQ(Content([](OrderContent& c) { c.mutable_caller()->set_language("维语"); }),
            "FIELD_INVALID content.caller.language");
}

TEST(ValidateContent, Phones) {
  const auto phone = [](const std::string& number) {
    const std::string first = Content([&](OrderContent& c) { c.mutable_caller()->set_phone(number); });
    const std::string second =
        Content([&](OrderContent& c) { c.mutable_caller()->set_contact_phone(number); });
    EXPECT_EQ(first == "OK", second == "OK");
    if (first != "OK") {
      EXPECT_EQ(first, "PHONE_INVALID content.caller.phone");
      EXPECT_EQ(second, "PHONE_INVALID content.caller.contact_phone");
    }
    return first == "OK";
  };
  for (const char* good :
       {"", "110", "+86", "13909080000", "+86-908-462-1234", "0908-4621234", "12345678901234567890"}) {
    EXPECT_TRUE(phone(good)) << good;
  }
  for (const char* bad : {"11", "12a", "123456789012345678901", "+", "++861", "-123", "123-", "1--2", "1 23",
                          "12+3", "１２３", "1\n23"}) {
    EXPECT_FALSE(phone(bad)) << bad;
  }
}

TEST(ValidateContent, Place) {
  const auto code = [](const std::string& value) {
    return Content([&](OrderContent& c) { c.mutable_place()->set_township_code(value); });
  };
  EXPECT_EQ(code(""), "OK");
  EXPECT_EQ(code("653024100"), "OK");
  for (const char* bad : {"65302410", "6530241000", "65302410a"}) {
    EXPECT_EQ(code(bad), "FIELD_INVALID content.place.township_code");
  }
  const auto at = [](double latitude, double longitude) {
    return Content([&](OrderContent& c) {
      c.mutable_place()->mutable_manual_coordinates()->set_latitude(latitude);
      c.mutable_place()->mutable_manual_coordinates()->set_longitude(longitude);
    });
  };
  EXPECT_EQ(at(39.7, 75.2), "OK");
  EXPECT_EQ(at(-90, -180), "OK");
  EXPECT_EQ(at(90, 180), "OK");
  const std::string bad = "COORDINATES_INVALID content.place.manual_coordinates";
  EXPECT_EQ(at(90.0001, 0), bad);
  EXPECT_EQ(at(-90.0001, 0), bad);
  EXPECT_EQ(at(0, 180.0001), bad);
  EXPECT_EQ(at(0, -180.0001), bad);
  EXPECT_EQ(at(std::nan(""), 0), bad);
  EXPECT_EQ(at(0, std::numeric_limits<double>::infinity()), bad);
  EXPECT_EQ(
      Content([](OrderContent& c) { c.mutable_place()->mutable_automatic_coordinates()->set_latitude(91); }),
      "COORDINATES_INVALID content.place.automatic_coordinates");
}

TEST(ValidateContent, Catalogue) {
  const auto item = [](const std::string& value) {
    return Content([&](OrderContent& c) { c.mutable_catalogue()->set_item(value); });
  };
  for (const char* good : {"A1", "A9", "A10", "A22", "B1", "B9"}) EXPECT_EQ(item(good), "OK") << good;
  for (const char* bad : {"A0", "A01", "A123456", "B0", "A", "a1", "1", "A1 ", "AA1", "甲1"}) {
    EXPECT_EQ(item(bad), "FIELD_INVALID content.catalogue.item") << bad;
  }
  EXPECT_EQ(item(""), "FIELD_REQUIRED content.catalogue.item");
}

TEST(ValidateContent, Units) {
  EXPECT_EQ(Content([](OrderContent& c) { c.set_lead_unit("housing"); }), "OK");
  EXPECT_EQ(Content([](OrderContent& c) { c.set_lead_unit("nosuch"); }), "UNIT_UNKNOWN content.lead_unit");
  EXPECT_EQ(Content([](OrderContent& c) { c.add_assist_units("nosuch"); }),
            "UNIT_UNKNOWN content.assist_units[0]");
  const auto assist = [](int n) {
    return Content([&](OrderContent& c) {
      for (int i = 0; i < n; ++i) c.add_assist_units("unit" + std::to_string(i));
    });
  };
  EXPECT_EQ(assist(16), "OK");
  EXPECT_EQ(assist(17), "LIST_INVALID content.assist_units");
  EXPECT_EQ(Content([](OrderContent& c) {
              c.add_assist_units("water");
              c.add_assist_units("housing");
              c.add_assist_units("water");
            }),
            "LIST_INVALID content.assist_units[2]");
  EXPECT_EQ(Content([](OrderContent& c) {
              c.set_lead_unit("water");
              c.add_assist_units("water");
            }),
            "LIST_INVALID content.assist_units[0]");
  // Without a list, any code that is one.
  Site open = TestSite();
  open.units.clear();
  OrderContent content = SampleContent();
  content.set_lead_unit("any_unit-7");
  EXPECT_EQ(Say(ValidateContent(content, open, kNow)), "OK");
  for (const std::string& bad : {std::string("Unit"), std::string("住建局"), std::string(33, 'u')}) {
    content.set_lead_unit(bad);
    EXPECT_EQ(Say(ValidateContent(content, open, kNow)), "FIELD_INVALID content.lead_unit");
  }
}

TEST(ValidateContent, Attachments) {
  const auto attachment = [](const std::function<void(type::v1::Attachment&)>& edit) {
    return Content([&](OrderContent& c) {
      for (int i = 0; i < 2; ++i) {
        type::v1::Attachment& a = *c.add_attachments();
        a.set_uri("https://files.example/1.jpg");
        a.set_display_name("现场.jpg");
        a.set_media_type("image/jpeg");
        a.set_size_bytes(1024);
        a.set_sha256(std::string(32, 'h'));
        if (i == 1) edit(a);
      }
    });
  };
  using A = type::v1::Attachment;
  const std::string path = "content.attachments[1].";
  EXPECT_EQ(attachment([](A&) {}), "OK");
  EXPECT_EQ(attachment([](A& a) { a.clear_uri(); }), "FIELD_REQUIRED " + path + "uri");
  EXPECT_EQ(attachment([](A& a) { a.set_uri("s3:" + std::string(509, 'x')); }), "OK");
  EXPECT_EQ(attachment([](A& a) { a.set_uri("s3:" + std::string(510, 'x')); }),
            "TEXT_TOO_LONG " + path + "uri");
  for (const char* bad : {"files/1.jpg", "//host/1.jpg", ":x", "http:", "1http://x", "http://a b"}) {
    EXPECT_EQ(attachment([&](A& a) { a.set_uri(bad); }), "FIELD_INVALID " + path + "uri") << bad;
  }
  EXPECT_EQ(attachment([](A& a) { a.set_display_name(Han(128)); }), "OK");
  EXPECT_EQ(attachment([](A& a) { a.set_display_name(Han(129)); }), "TEXT_TOO_LONG " + path + "display_name");
  EXPECT_EQ(attachment([](A& a) { a.set_media_type(std::string(64, 'm')); }), "OK");
  EXPECT_EQ(attachment([](A& a) { a.set_media_type(std::string(65, 'm')); }),
            "TEXT_TOO_LONG " + path + "media_type");
  EXPECT_EQ(attachment([](A& a) { a.set_size_bytes(0); }), "OK");
  EXPECT_EQ(attachment([](A& a) { a.set_size_bytes(int64_t{1} << 40); }), "OK");
  EXPECT_EQ(attachment([](A& a) { a.set_size_bytes((int64_t{1} << 40) + 1); }),
            "FIELD_INVALID " + path + "size_bytes");
  EXPECT_EQ(attachment([](A& a) { a.set_size_bytes(-1); }), "FIELD_INVALID " + path + "size_bytes");
  EXPECT_EQ(attachment([](A& a) { a.set_sha256(std::string(31, 'h')); }), "FIELD_INVALID " + path + "sha256");
  EXPECT_EQ(attachment([](A& a) { a.set_sha256(std::string(33, 'h')); }), "FIELD_INVALID " + path + "sha256");
  const auto many = [](int n) {
    return Content([&](OrderContent& c) {
      for (int i = 0; i < n; ++i) {
        c.add_attachments()->set_uri("s3:x");
        c.mutable_attachments(i)->set_sha256(std::string(32, 'h'));
      }
    });
  };
  EXPECT_EQ(many(32), "OK");
  EXPECT_EQ(many(33), "LIST_INVALID content.attachments");
}

TEST(ValidateContent, PoliceRecord) {
  const auto code = [](const std::string& value) {
    return Content([&](OrderContent& c) { c.mutable_police()->set_incident_code(value); });
  };
  EXPECT_EQ(code("060101"), "OK");
  EXPECT_EQ(code("06010"), "FIELD_INVALID content.police.incident_code");
  EXPECT_EQ(code("06010x"), "FIELD_INVALID content.police.incident_code");
}

TEST(ValidateContent, TimesOfWhatHappened) {
  struct Field {
    const char* path;
    google::protobuf::Timestamp* (*field)(OrderContent&);
  };
  const Field fields[] = {
      {"content.occur_time", [](OrderContent& c) { return c.mutable_occur_time(); }},
      {"content.call.ring_time", [](OrderContent& c) { return c.mutable_call()->mutable_ring_time(); }},
      {"content.call.answer_time", [](OrderContent& c) { return c.mutable_call()->mutable_answer_time(); }},
      {"content.call.end_time", [](OrderContent& c) { return c.mutable_call()->mutable_end_time(); }},
      {"content.police.arrive_time",
       [](OrderContent& c) { return c.mutable_police()->mutable_arrive_time(); }},
  };
  for (const Field& field : fields) {
    const auto with = [&](const google::protobuf::Timestamp& time) {
      return Content([&](OrderContent& c) { *field.field(c) = time; });
    };
    const std::string bad = std::string("TIME_INVALID ") + field.path;
    EXPECT_EQ(with(At(kNow)), "OK");
    EXPECT_EQ(with(At(kNow + absl::Minutes(1))), "OK") << "clocks differ";
    EXPECT_EQ(with(At(kNow + absl::Minutes(1) + absl::Nanoseconds(1))), bad);
    google::protobuf::Timestamp time;
    time.set_seconds(-62'135'596'800);
    EXPECT_EQ(with(time), "OK");
    time.set_seconds(-62'135'596'801);
    EXPECT_EQ(with(time), bad);
    time.set_seconds(std::numeric_limits<int64_t>::min());
    EXPECT_EQ(with(time), bad);
    time.set_seconds(std::numeric_limits<int64_t>::max());
    EXPECT_EQ(with(time), bad);
    time.set_seconds(0);
    time.set_nanos(999'999'999);
    EXPECT_EQ(with(time), "OK");
    time.set_nanos(1'000'000'000);
    EXPECT_EQ(with(time), bad);
    time.set_nanos(-1);
    EXPECT_EQ(with(time), bad);
  }
}

TEST(ValidateHeader, Bounds) {
  using H = type::v1::CommandHeader;
  EXPECT_EQ(Header([](H&) {}), "OK");
  EXPECT_EQ(Header([](H& h) { h.set_request_id("escalate/0Q3W8X2V9K001/4/123456789/2"); }), "OK");
  EXPECT_EQ(Header([](H& h) { h.set_request_id("0193a5c0-7b1e-7cc0-8f00-0123456789ab"); }), "OK");
  EXPECT_EQ(Header([](H& h) { h.set_request_id(std::string(8, 'x')); }), "OK");
  EXPECT_EQ(Header([](H& h) { h.set_request_id(std::string(64, 'x')); }), "OK");
  for (const std::string& bad :
       {std::string(), std::string(7, 'x'), std::string(65, 'x'), std::string("with blank"),
        std::string("colon:12"), std::string("编号编号"), std::string("nul\0nul12", 9)}) {
    EXPECT_EQ(Header([&](H& h) { h.set_request_id(bad); }), "REQUEST_ID_INVALID header.request_id");
  }
  EXPECT_EQ(Header([](H& h) { h.set_order_id(std::string(129, '0')); }), "TEXT_TOO_LONG header.order_id");
  EXPECT_EQ(Header([](H& h) { h.set_order_id("a\nb"); }), "TEXT_INVALID header.order_id");
  EXPECT_EQ(Header([](H& h) { h.set_expected_version(-1); }), "FIELD_INVALID header.expected_version");
  EXPECT_EQ(Header([](H& h) { h.clear_actor(); }), "FIELD_REQUIRED header.actor.account");
  EXPECT_EQ(Header([](H& h) { h.mutable_actor()->set_account(Han(64)); }), "OK");
  EXPECT_EQ(Header([](H& h) { h.mutable_actor()->set_account(Han(65)); }),
            "TEXT_TOO_LONG header.actor.account");
  EXPECT_EQ(Header([](H& h) { h.mutable_actor()->set_unit(Han(33)); }), "TEXT_TOO_LONG header.actor.unit");
  EXPECT_EQ(Header([](H& h) { h.mutable_actor()->set_seat(Han(32)); }), "OK");
  EXPECT_EQ(Header([](H& h) { h.mutable_actor()->set_seat(Han(33)); }), "TEXT_TOO_LONG header.actor.seat");
}

TEST(ValidateAction, ExactlyOne) {
  EXPECT_EQ(Action(Act::kAccept, [](Command& c) { c.clear_acceptance(); }), "ACTION_INVALID action");
  EXPECT_EQ(Action(Act::kAccept, [](Command& c) { c.mutable_offer()->set_to_hotline("110"); }),
            "ACTION_INVALID action");
  EXPECT_EQ(Action(Act::kAccept,
                   [](Command& c) { *c.mutable_registration()->mutable_content() = SampleContent(); }),
            "ACTION_INVALID action");
  EXPECT_EQ(Say(ValidateAction(MakeRegistration(SampleContent(), ""), TestSite(), kNow)), "OK");
  EXPECT_EQ(Say(ValidateAction(MakeRegistration(SampleContent(), "110"), TestSite(), kNow)), "OK");
  Command empty;
  empty.mutable_registration();
  EXPECT_EQ(Say(ValidateAction(empty, TestSite(), kNow)), "FIELD_REQUIRED registration.content");
  Command bad = MakeRegistration(SampleContent(), "110");
  bad.mutable_registration()->mutable_content()->clear_title();
  EXPECT_EQ(Say(ValidateAction(bad, TestSite(), kNow)), "FIELD_REQUIRED content.title");
}

// CreateWorkOrder was told of fields that only PushWorkOrder has.
TEST(ValidateAction, AContentIsNamedWhereTheRequestHasIt) {
  for (const bool push : {false, true}) {
    const std::string path = push ? "content" : "registration.content";
    Command bad = MakeRegistration(SampleContent(), push ? "110" : "");
    OrderContent& content = *bad.mutable_registration()->mutable_content();
    content.mutable_caller()->set_phone("x");
    const absl::Status status = ValidateAction(bad, TestSite(), kNow);
    EXPECT_EQ(Say(status), "PHONE_INVALID " + path + ".caller.phone");
    EXPECT_EQ(status.message().find(path + ".caller.phone: "), 0u) << status;
    content = SampleContent();
    content.clear_urgency();
    EXPECT_EQ(Say(ValidateAction(bad, TestSite(), kNow)), "FIELD_REQUIRED " + path + ".urgency");
  }
}

TEST(ValidateAction, Offer) {
  EXPECT_EQ(Action(Act::kOffer, [](Command&) {}), "OK");
  EXPECT_EQ(Action(Act::kOffer, [](Command& c) { c.mutable_offer()->clear_to_hotline(); }),
            "FIELD_REQUIRED offer.to_hotline");
  for (const char* stranger : {"911", "12345"}) {
    EXPECT_EQ(Action(Act::kOffer, [&](Command& c) { c.mutable_offer()->set_to_hotline(stranger); }),
              "TARGET_UNKNOWN offer.to_hotline");
  }
  EXPECT_EQ(Action(Act::kOffer,
                   [](Command& c) { c.mutable_offer()->set_kind(type::v1::HANDOFF_KIND_PARTNER_FANOUT); }),
            "OK");
  EXPECT_EQ(Action(Act::kOffer,
                   [](Command& c) { c.mutable_offer()->set_kind(static_cast<type::v1::HandoffKind>(10)); }),
            "ENUM_INVALID offer.kind");
}

// A text of an action: its path, its bound, and how to reach it.
struct ActionText {
  Act act;
  const char* path;
  int max;
  bool required;
  bool multi_line;
  std::string* (*field)(Command&);
};

const ActionText kActionTexts[] = {
    {Act::kOffer, "offer.note", 500, false, true,
     [](Command& c) { return c.mutable_offer()->mutable_note(); }},
    {Act::kAccept, "acceptance.note", 500, false, true,
     [](Command& c) { return c.mutable_acceptance()->mutable_note(); }},
    {Act::kReturn, "handoff_return.reason", 500, true, true,
     [](Command& c) { return c.mutable_handoff_return()->mutable_reason(); }},
    {Act::kReturn, "handoff_return.legal_basis", 200, false, false,
     [](Command& c) { return c.mutable_handoff_return()->mutable_legal_basis(); }},
    {Act::kReturn, "handoff_return.proposed_unit", 32, false, false,
     [](Command& c) { return c.mutable_handoff_return()->mutable_proposed_unit(); }},
    {Act::kRecall, "recall.reason", 500, true, true,
     [](Command& c) { return c.mutable_recall()->mutable_reason(); }},
    {Act::kDispatch, "unit_dispatch.note", 500, false, true,
     [](Command& c) { return c.mutable_unit_dispatch()->mutable_note(); }},
    {Act::kAssist, "signature.unit", 32, false, false,
     [](Command& c) { return c.mutable_signature()->mutable_unit(); }},
    {Act::kProgress, "progress.note", 2000, true, true,
     [](Command& c) { return c.mutable_progress()->mutable_note(); }},
    {Act::kExtend, "extension.ground", 200, true, false,
     [](Command& c) { return c.mutable_extension()->mutable_ground(); }},
    {Act::kExtend, "extension.approved_by", 64, true, false,
     [](Command& c) { return c.mutable_extension()->mutable_approved_by(); }},
    {Act::kSuspend, "suspension.reason", 500, true, true,
     [](Command& c) { return c.mutable_suspension()->mutable_reason(); }},
    {Act::kSuspend, "suspension.approved_by", 64, true, false,
     [](Command& c) { return c.mutable_suspension()->mutable_approved_by(); }},
    {Act::kResume, "resumption.note", 500, false, true,
     [](Command& c) { return c.mutable_resumption()->mutable_note(); }},
    {Act::kFinish, "completion.reply.public_reply", 2000, true, true,
     [](Command& c) { return c.mutable_completion()->mutable_reply()->mutable_public_reply(); }},
    {Act::kFinish, "completion.reply.internal_reply", 4000, false, true,
     [](Command& c) { return c.mutable_completion()->mutable_reply()->mutable_internal_reply(); }},
    {Act::kFinish, "completion.reply.unresolved_reason", 500, false, true,
     [](Command& c) { return c.mutable_completion()->mutable_reply()->mutable_unresolved_reason(); }},
    {Act::kCallBack, "call_back_record.call_back.note", 500, false, true,
     [](Command& c) { return c.mutable_call_back_record()->mutable_call_back()->mutable_note(); }},
    {Act::kRedo, "redo_demand.reason", 500, true, true,
     [](Command& c) { return c.mutable_redo_demand()->mutable_reason(); }},
    {Act::kClose, "closure.note", 500, false, true,
     [](Command& c) { return c.mutable_closure()->mutable_note(); }},
    {Act::kCancel, "cancellation.reason", 500, true, true,
     [](Command& c) { return c.mutable_cancellation()->mutable_reason(); }},
    {Act::kArchive, "archival.note", 500, false, true,
     [](Command& c) { return c.mutable_archival()->mutable_note(); }},
    {Act::kUrge, "escalation.duty_party", 64, true, false,
     [](Command& c) { return c.mutable_escalation()->mutable_duty_party(); }},
    {Act::kContact, "caller_contact.note", 500, false, true,
     [](Command& c) { return c.mutable_caller_contact()->mutable_note(); }},
    {Act::kAskExtension, "extension_request.ground", 200, true, false,
     [](Command& c) { return c.mutable_extension_request()->mutable_ground(); }},
    {Act::kGrantExtension, "extension_decision.note", 500, false, true,
     [](Command& c) { return c.mutable_extension_decision()->mutable_note(); }},
    {Act::kReturnFromUnit, "unit_return.reason", 500, true, true,
     [](Command& c) { return c.mutable_unit_return()->mutable_reason(); }},
    {Act::kAccuse, "accusation.reason", 500, true, true,
     [](Command& c) { return c.mutable_accusation()->mutable_reason(); }},
    {Act::kReassign, "unit_reassignment.reason", 500, true, true,
     [](Command& c) { return c.mutable_unit_reassignment()->mutable_reason(); }},
    {Act::kMoveDeadline, "deadline_move.note", 500, false, true,
     [](Command& c) { return c.mutable_deadline_move()->mutable_note(); }},
    {Act::kAcknowledge, "rung_acknowledgement.note", 500, false, true,
     [](Command& c) { return c.mutable_rung_acknowledgement()->mutable_note(); }},
    {Act::kNotify, "notification_report.notices[0].role", 32, true, false,
     [](Command& c) { return c.mutable_notification_report()->mutable_notices(0)->mutable_role(); }},
};

TEST(ValidateAction, Texts) {
  for (const ActionText& text : kActionTexts) {
    SCOPED_TRACE(text.path);
    const auto with = [&](const std::string& value) {
      return Action(text.act, [&](Command& c) { *text.field(c) = value; });
    };
    const std::string path = text.path;
    EXPECT_EQ(with(Han(text.max)), "OK");
    EXPECT_EQ(with(Han(text.max + 1)), "TEXT_TOO_LONG " + path);
    EXPECT_EQ(with(kBroken), "TEXT_INVALID " + path);
    EXPECT_EQ(with("a\x01"), "TEXT_INVALID " + path);
    EXPECT_EQ(with("a\nb"), text.multi_line ? "OK" : "TEXT_INVALID " + path);
    EXPECT_EQ(with(""), text.required ? "FIELD_REQUIRED " + path : "OK");
  }
}

TEST(ValidateAction, Return) {
  EXPECT_EQ(Action(Act::kReturn, [](Command& c) { c.mutable_handoff_return()->clear_ground(); }),
            "FIELD_REQUIRED handoff_return.ground");
  EXPECT_EQ(Action(Act::kReturn,
                   [](Command& c) {
                     c.mutable_handoff_return()->set_ground(static_cast<type::v1::ReturnGround>(7));
                   }),
            "ENUM_INVALID handoff_return.ground");
  EXPECT_EQ(Action(Act::kReturn, [](Command& c) { c.mutable_handoff_return()->set_proposed_item("23"); }),
            "FIELD_INVALID handoff_return.proposed_item");
  EXPECT_EQ(Action(Act::kReturn, [](Command& c) { c.mutable_handoff_return()->set_proposed_hotline("1 1"); }),
            "FIELD_INVALID handoff_return.proposed_hotline");
  EXPECT_EQ(
      Action(Act::kReturn, [](Command& c) { c.mutable_handoff_return()->set_returned_by_unit("water"); }),
      "FIELD_INVALID handoff_return.returned_by_unit");
}

TEST(ValidateAction, DisputeRulingAndReopening) {
  EXPECT_EQ(Action(Act::kDispute, [](Command& c) { c.mutable_dispute()->clear_reason(); }),
            "FIELD_REQUIRED dispute.reason");
  EXPECT_EQ(Action(Act::kRule, [](Command& c) { c.mutable_ruling()->clear_unit(); }),
            "FIELD_REQUIRED ruling.to_hotline");
  Command for_nobody = MakeCommand(Act::kRule, "0000000000001", "110", kNow);
  for_nobody.mutable_ruling()->clear_unit();
  EXPECT_EQ(error::ChineseOf(ValidateAction(for_nobody, TestSite(), kNow)),
            "字段 ruling.to_hotline：与 unit 须至少填写一项");
  EXPECT_EQ(Action(Act::kRule,
                   [](Command& c) {
                     c.mutable_ruling()->clear_unit();
                     c.mutable_ruling()->set_to_hotline("110");
                   }),
            "OK");
  EXPECT_EQ(Action(Act::kRule, [](Command& c) { c.mutable_ruling()->clear_reference(); }),
            "FIELD_REQUIRED ruling.reference");
  EXPECT_EQ(Action(Act::kRule, [](Command& c) { c.mutable_ruling()->clear_ruled_by(); }),
            "FIELD_REQUIRED ruling.ruled_by");
  EXPECT_EQ(Action(Act::kReopen, [](Command& c) { c.mutable_reopening()->clear_reason(); }),
            "FIELD_REQUIRED reopening.reason");
}

TEST(ValidateAction, Dispatch) {
  EXPECT_EQ(Action(Act::kDispatch, [](Command& c) { c.mutable_unit_dispatch()->clear_lead_unit(); }),
            "FIELD_REQUIRED unit_dispatch.lead_unit");
  EXPECT_EQ(Action(Act::kDispatch, [](Command& c) { c.mutable_unit_dispatch()->set_lead_unit("nosuch"); }),
            "UNIT_UNKNOWN unit_dispatch.lead_unit");
  EXPECT_EQ(Action(Act::kDispatch, [](Command& c) { c.mutable_unit_dispatch()->add_assist_units("nosuch"); }),
            "UNIT_UNKNOWN unit_dispatch.assist_units[1]");
  EXPECT_EQ(
      Action(Act::kDispatch, [](Command& c) { c.mutable_unit_dispatch()->add_assist_units("housing"); }),
      "LIST_INVALID unit_dispatch.assist_units[1]");
  const auto assist = [](int n) {
    return Action(Act::kDispatch, [&](Command& c) {
      c.mutable_unit_dispatch()->clear_assist_units();
      for (int i = 0; i < n; ++i) c.mutable_unit_dispatch()->add_assist_units("unit" + std::to_string(i));
    });
  };
  EXPECT_EQ(assist(16), "OK");
  EXPECT_EQ(assist(17), "LIST_INVALID unit_dispatch.assist_units");
}

TEST(ValidateAction, TimesToCome) {
  const auto until = [](absl::Time time) {
    return Action(Act::kExtend,
                  [&](Command& c) { ToProto(time, c.mutable_extension()->mutable_until_time()); });
  };
  EXPECT_EQ(until(kNow + absl::Nanoseconds(1)), "OK");
  EXPECT_EQ(until(kNow), "TIME_INVALID extension.until_time");
  const absl::Time latest = kNow + absl::Hours(366 * 24);
  EXPECT_EQ(until(latest), "OK");
  EXPECT_EQ(until(latest + absl::Nanoseconds(1)), "TIME_INVALID extension.until_time");
  EXPECT_EQ(Action(Act::kExtend, [](Command& c) { c.mutable_extension()->clear_until_time(); }),
            "FIELD_REQUIRED extension.until_time");
  const auto review = [](absl::Time time) {
    return Action(Act::kSuspend,
                  [&](Command& c) { ToProto(time, c.mutable_suspension()->mutable_review_time()); });
  };
  EXPECT_EQ(review(kNow + absl::Nanoseconds(1)), "OK");
  EXPECT_EQ(review(kNow), "TIME_INVALID suspension.review_time");
  EXPECT_EQ(review(latest), "OK");
  EXPECT_EQ(review(latest + absl::Nanoseconds(1)), "TIME_INVALID suspension.review_time");
  Command never = MakeCommand(Act::kSuspend, "0000000000001", "110", kNow);
  never.mutable_suspension()->mutable_review_time()->set_seconds(253'370'764'800);
  EXPECT_EQ(error::ChineseOf(ValidateAction(never, TestSite(), kNow)),
            "字段 suspension.review_time：不得超过366天，最晚为2027-12-01 08:53");
  EXPECT_EQ(Action(Act::kSuspend, [](Command& c) { c.mutable_suspension()->clear_review_time(); }),
            "FIELD_REQUIRED suspension.review_time");
}

TEST(ValidateAction, Extensions) {
  const auto ask = [](auto change) {
    return Action(Act::kAskExtension, [&](Command& c) { change(*c.mutable_extension_request()); });
  };
  EXPECT_EQ(ask([](auto& r) { r.clear_length(); }), "FIELD_REQUIRED extension_request.until_time");
  EXPECT_EQ(ask([](auto& r) { ToProto(kNow + absl::Hours(1), r.mutable_until_time()); }),
            "FIELD_INVALID extension_request.length");
  EXPECT_EQ(ask([](auto& r) { r.mutable_length()->set_value(0); }),
            "FIELD_INVALID extension_request.length.value");
  EXPECT_EQ(ask([](auto& r) { r.mutable_length()->set_value(367); }),
            "FIELD_INVALID extension_request.length.value");
  EXPECT_EQ(ask([](auto& r) { r.mutable_length()->clear_kind(); }),
            "FIELD_REQUIRED extension_request.length.kind");
  EXPECT_EQ(ask([](auto& r) { r.set_last_minute(true); }), "FIELD_INVALID extension_request.request_time");
  const auto decide = [](auto change) {
    return Action(Act::kGrantExtension, [&](Command& c) { change(*c.mutable_extension_decision()); });
  };
  EXPECT_EQ(decide([](auto& d) { d.set_approved(false); }), "FIELD_REQUIRED extension_decision.note");
  EXPECT_EQ(decide([](auto& d) {
              d.set_approved(false);
              ToProto(kNow + absl::Hours(1), d.mutable_until_time());
            }),
            "FIELD_INVALID extension_decision.until_time");
  EXPECT_EQ(decide([](auto& d) { ToProto(kNow, d.mutable_until_time()); }),
            "TIME_INVALID extension_decision.until_time");
  // Escalation's clocks end in 2262: an order would tell another deadline than they do.
  const absl::Time latest = kNow + absl::Hours(366 * 24);
  const auto ask_until = [&](absl::Time time) {
    return ask([&](auto& r) {
      r.clear_length();
      ToProto(time, r.mutable_until_time());
    });
  };
  const auto decide_until = [&](absl::Time time) {
    return decide([&](auto& d) { ToProto(time, d.mutable_until_time()); });
  };
  EXPECT_EQ(ask_until(latest), "OK");
  EXPECT_EQ(ask_until(latest + absl::Nanoseconds(1)), "TIME_INVALID extension_request.until_time");
  EXPECT_EQ(decide_until(latest), "OK");
  EXPECT_EQ(decide_until(latest + absl::Nanoseconds(1)), "TIME_INVALID extension_decision.until_time");
}

TEST(ValidateAction, UnitsAndRungs) {
  EXPECT_EQ(Action(Act::kReturnFromUnit, [](Command& c) { c.mutable_unit_return()->clear_ground(); }),
            "FIELD_REQUIRED unit_return.ground");
  EXPECT_EQ(
      Action(Act::kReturnFromUnit, [](Command& c) { c.mutable_unit_return()->set_proposed_unit("nosuch"); }),
      "UNIT_UNKNOWN unit_return.proposed_unit");
  EXPECT_EQ(Action(Act::kReassign, [](Command& c) { c.mutable_unit_reassignment()->clear_dispatch(); }),
            "FIELD_REQUIRED unit_reassignment.dispatch");
  EXPECT_EQ(
      Action(Act::kReassign,
             [](Command& c) { c.mutable_unit_reassignment()->mutable_dispatch()->set_lead_unit("nosuch"); }),
      "UNIT_UNKNOWN unit_reassignment.dispatch.lead_unit");
  const auto acknowledge = [](absl::Time until) {
    return Action(Act::kAcknowledge, [&](Command& c) {
      ToProto(until, c.mutable_rung_acknowledgement()->mutable_until_time());
    });
  };
  EXPECT_EQ(acknowledge(kNow), "TIME_INVALID rung_acknowledgement.until_time");
  EXPECT_EQ(acknowledge(kNow + absl::Hours(31 * 24)), "OK");
  EXPECT_EQ(acknowledge(kNow + absl::Hours(31 * 24 + 1)), "TIME_INVALID rung_acknowledgement.until_time");
  const auto person = [](const std::string& id) {
    return Action(Act::kNotify, [&](Command& c) {
      c.mutable_notification_report()->mutable_notices(0)->set_person_id(id);
    });
  };
  EXPECT_EQ(person("p-001"), "OK");
  EXPECT_EQ(person("13800001111"), "FIELD_INVALID notification_report.notices[0].person_id");
  EXPECT_EQ(person(""), "FIELD_REQUIRED notification_report.notices[0].person_id");
  const auto nobody = [](type::v1::NotificationResult result) {
    return Action(Act::kNotify, [&](Command& c) {
      type::v1::Notice& notice = *c.mutable_notification_report()->mutable_notices(0);
      notice.Clear();
      notice.set_unit("housing");
      notice.set_result(result);
    });
  };
  EXPECT_EQ(nobody(type::v1::NOTIFICATION_RESULT_NOBODY), "OK") << "there is no person, and so no role";
  EXPECT_EQ(nobody(type::v1::NOTIFICATION_RESULT_NOT_REACHED),
            "FIELD_REQUIRED notification_report.notices[0].person_id");
  EXPECT_EQ(Action(Act::kNotify, [](Command& c) { c.mutable_notification_report()->set_round(0); }),
            "FIELD_INVALID notification_report.round");
  EXPECT_EQ(Action(Act::kMoveDeadline, [](Command& c) { c.mutable_deadline_move()->clear_reason(); }),
            "FIELD_REQUIRED deadline_move.reason");
  EXPECT_EQ(Action(Act::kMoveDeadline, [](Command& c) { c.mutable_deadline_move()->clear_publication(); }),
            "FIELD_INVALID deadline_move.publication");
}

TEST(ValidateAction, Reply) {
  const auto reply = [](const std::function<void(type::v1::Reply&)>& edit) {
    return Action(Act::kFinish, [&](Command& c) { edit(*c.mutable_completion()->mutable_reply()); });
  };
  using R = type::v1::Reply;
  const std::string path = "completion.reply.";
  EXPECT_EQ(Action(Act::kFinish, [](Command& c) { c.mutable_completion()->clear_reply(); }),
            "FIELD_REQUIRED completion.reply");
  EXPECT_EQ(reply([](R& r) { r.clear_disposition(); }), "FIELD_REQUIRED " + path + "disposition");
  EXPECT_EQ(reply([](R& r) { r.set_disposition(static_cast<type::v1::Disposition>(6)); }),
            "ENUM_INVALID " + path + "disposition");
  EXPECT_EQ(reply([](R& r) { r.set_disposition(type::v1::DISPOSITION_UNRESOLVED); }),
            "FIELD_REQUIRED " + path + "unresolved_reason");
  EXPECT_EQ(reply([](R& r) {
              r.set_disposition(type::v1::DISPOSITION_UNRESOLVED);
              r.set_unresolved_reason("缺少资金");
            }),
            "OK");
  EXPECT_EQ(reply([](R& r) { *r.mutable_contact_time() = At(kNow + absl::Minutes(1)); }), "OK");
  EXPECT_EQ(reply([](R& r) { *r.mutable_contact_time() = At(kNow + absl::Seconds(61)); }),
            "TIME_INVALID " + path + "contact_time");
  EXPECT_EQ(reply([](R& r) { r.set_unit("nosuch"); }), "UNIT_UNKNOWN " + path + "unit");
}

TEST(ValidateAction, CallBack) {
  const auto satisfaction = [](int value) {
    return Action(Act::kCallBack, [&](Command& c) {
      c.mutable_call_back_record()->mutable_call_back()->set_satisfaction(value);
    });
  };
  EXPECT_EQ(satisfaction(0), "OK");
  EXPECT_EQ(satisfaction(5), "OK");
  EXPECT_EQ(satisfaction(6), "FIELD_INVALID call_back_record.call_back.satisfaction");
  EXPECT_EQ(satisfaction(-1), "FIELD_INVALID call_back_record.call_back.satisfaction");
  // Of whom nobody spoke to nothing is known.
  const auto unreached = [](bool settled, int value) {
    return Action(Act::kCallBack, [&](Command& c) {
      type::v1::CallBack* call_back = c.mutable_call_back_record()->mutable_call_back();
      call_back->set_reached(false);
      call_back->set_settled(settled);
      call_back->set_satisfaction(value);
    });
  };
  EXPECT_EQ(unreached(false, 0), "OK");
  EXPECT_EQ(unreached(true, 0), "FIELD_INVALID call_back_record.call_back.settled");
  EXPECT_EQ(unreached(true, 5), "FIELD_INVALID call_back_record.call_back.settled");
  EXPECT_EQ(unreached(false, 5), "FIELD_INVALID call_back_record.call_back.satisfaction");
  EXPECT_EQ(Action(Act::kCallBack, [](Command& c) { c.mutable_call_back_record()->clear_call_back(); }),
            "FIELD_REQUIRED call_back_record.call_back");
  EXPECT_EQ(Action(Act::kCallBack,
                   [](Command& c) {
                     *c.mutable_call_back_record()->mutable_call_back()->mutable_record_time() =
                         At(kNow + absl::Minutes(2));
                   }),
            "TIME_INVALID call_back_record.call_back.record_time");
}

TEST(ValidateAction, Escalation) {
  const auto escalation = [](const std::function<void(type::v1::Escalation&)>& edit) {
    return Action(Act::kUrge, [&](Command& c) { edit(*c.mutable_escalation()); });
  };
  using E = type::v1::Escalation;
  EXPECT_EQ(escalation([](E& e) { e.clear_clock(); }), "FIELD_REQUIRED escalation.clock");
  EXPECT_EQ(escalation([](E& e) { e.set_clock(static_cast<type::v1::ClockKind>(99)); }),
            "ENUM_INVALID escalation.clock");
  EXPECT_EQ(escalation([](E& e) { e.clear_rung(); }), "FIELD_REQUIRED escalation.rung");
  EXPECT_EQ(escalation([](E& e) { e.set_rung(static_cast<type::v1::Rung>(7)); }),
            "ENUM_INVALID escalation.rung");
  EXPECT_EQ(escalation([](E& e) { e.set_armed_by_sequence(0); }),
            "FIELD_INVALID escalation.armed_by_sequence");
  EXPECT_EQ(escalation([](E& e) { e.clear_due_time(); }), "FIELD_REQUIRED escalation.due_time");
  EXPECT_EQ(escalation([](E& e) { *e.mutable_due_time() = At(kNow + absl::Hours(1)); }), "OK")
      << "a reminder is early";
  EXPECT_EQ(escalation([](E& e) { e.mutable_due_time()->set_nanos(-1); }),
            "TIME_INVALID escalation.due_time");
}

TEST(ValidateContent, NoMessageRepeatsWhatTheCallerSent) {
  OrderContent content = SampleContent();
  content.mutable_caller()->set_phone("13909089999x");
  const absl::Status status = ValidateContent(content, TestSite(), kNow);
  EXPECT_EQ(std::string(status.message()).find("13909089999"), std::string::npos);
  EXPECT_EQ(error::ChineseOf(status).find("13909089999"), std::string::npos);
}

TEST(ValidateText, IsOpenToOthers) {
  EXPECT_EQ(Say(ValidateText("a.b", Han(3), 3, true, false)), "OK");
  EXPECT_EQ(Say(ValidateText("a.b", Han(4), 3, true, false)), "TEXT_TOO_LONG a.b");
  EXPECT_EQ(Say(ValidateText("a.b", "", 3, false, false)), "OK");
  EXPECT_EQ(Say(ValidateText("a.b", "", 3, true, false)), "FIELD_REQUIRED a.b");
}

TEST(ValidateOfferedContent, FormIsCheckedAndListsAreNot) {
  OrderContent content = SampleContent();
  content.set_lead_unit("elsewhere");
  content.set_type(static_cast<type::v1::OrderType>(99));
  EXPECT_EQ(Say(ValidateOfferedContent(content)), "OK");
  content.clear_type();
  EXPECT_EQ(Say(ValidateOfferedContent(content)), "FIELD_REQUIRED content.type");
  content = SampleContent();
  content.set_title("\u3000");
  EXPECT_EQ(Say(ValidateOfferedContent(content)), "OK") << "a peer of an earlier release let it pass";
  content.set_title("路灯\u2028不亮");
  EXPECT_EQ(Say(ValidateOfferedContent(content)), "OK");
  content.set_title(" ");
  EXPECT_EQ(Say(ValidateOfferedContent(content)), "FIELD_REQUIRED content.title");
  content = SampleContent();
  content.set_title(Han(101));
  EXPECT_EQ(Say(ValidateOfferedContent(content)), "TEXT_TOO_LONG content.title");
  content = SampleContent();
  content.mutable_occur_time()->set_nanos(-1);
  EXPECT_EQ(Say(ValidateOfferedContent(content)), "TIME_INVALID content.occur_time");
}

TEST(ValidateKnownContent, WhatIsGivenIsWellFormed) {
  const auto known = [](const std::function<void(OrderContent&)>& change) {
    OrderContent content;
    change(content);
    return Say(ValidateKnownContent(content, kNow));
  };
  EXPECT_EQ(known([](OrderContent&) {}), "OK") << "any of it may be missing";
  EXPECT_EQ(known([](OrderContent& c) { c.set_text("水管爆了"); }), "OK");
  EXPECT_EQ(known([](OrderContent& c) { c.set_text(kBroken); }), "TEXT_INVALID content.text");
  EXPECT_EQ(known([](OrderContent& c) { c.set_title(Han(101)); }), "TEXT_TOO_LONG content.title");
  EXPECT_EQ(known([](OrderContent& c) { c.mutable_caller()->set_phone("-"); }),
            "PHONE_INVALID content.caller.phone");
  EXPECT_EQ(known([](OrderContent& c) {
              c.mutable_place()->mutable_manual_coordinates()->set_latitude(
                  std::numeric_limits<double>::quiet_NaN());
            }),
            "COORDINATES_INVALID content.place.manual_coordinates");
  EXPECT_EQ(
      known([](OrderContent& c) { c.mutable_place()->mutable_automatic_coordinates()->set_longitude(1e9); }),
      "COORDINATES_INVALID content.place.automatic_coordinates");
  EXPECT_EQ(known([](OrderContent& c) { c.mutable_place()->set_township_code("x"); }),
            "FIELD_INVALID content.place.township_code");
  EXPECT_EQ(known([](OrderContent& c) { c.mutable_occur_time()->set_nanos(-5); }),
            "TIME_INVALID content.occur_time");
  EXPECT_EQ(
      known([](OrderContent& c) { c.mutable_occur_time()->set_seconds(absl::ToUnixSeconds(kNow) + 3600); }),
      "TIME_INVALID content.occur_time");
}

TEST(ValidateText, PhonesAndTimesOfAFilter) {
  EXPECT_EQ(Say(ValidatePhone("filter.caller_phone", "")), "OK");
  EXPECT_EQ(Say(ValidatePhone("filter.caller_phone", "+86-908-462-1234")), "OK");
  EXPECT_EQ(Say(ValidatePhone("filter.caller_phone", "-")), "PHONE_INVALID filter.caller_phone");
  google::protobuf::Timestamp time;
  EXPECT_EQ(Say(ValidateTime("filter.register_start_time", true, time)), "OK");
  time.set_seconds(int64_t{1} << 62);
  EXPECT_EQ(Say(ValidateTime("filter.register_start_time", true, time)),
            "TIME_INVALID filter.register_start_time");
  EXPECT_EQ(Say(ValidateTime("filter.register_start_time", false, time)), "OK");
}

TEST(NormalizePhone, LeavesDigits) {
  EXPECT_EQ(NormalizePhone("+86-908-462-1234"), "+869084621234");
  EXPECT_EQ(NormalizePhone(""), "");
}

}  // namespace
}  // namespace hotline::work_order
