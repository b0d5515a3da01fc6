#include "services/hotlinectl/core/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "common/base/text.h"
#include "common/error/error.h"
#include "google/protobuf/util/json_util.h"
#include "services/hotlinectl/core/order_form.h"

namespace hotline::hotlinectl {
namespace {

using dispatch::v1::PushWorkOrderRequest;
using ::testing::HasSubstr;

std::vector<ImportedOrder> Read(std::string_view bytes, Format format) {
  auto orders = ParseOrders(bytes, format);
  EXPECT_TRUE(orders.ok()) << orders.status();
  return orders.ok() ? *std::move(orders) : std::vector<ImportedOrder>();
}
std::vector<ImportedOrder> Csv(std::string_view bytes) { return Read(bytes, Format::kCsv); }
std::vector<ImportedOrder> Json(std::string_view bytes) { return Read(bytes, Format::kJson); }

std::string English(const absl::Status& status) { return std::string(ToStd(status.message())); }

TEST(CsvImportTest, ReadsOrders) {
  const auto orders =
      Csv("\xef\xbb\xbftitle,text,type,urgency,phone,to,lat,lon,assist,anonymous\r\n"
          "路灯不亮,\"天山路的路灯,\r\n已经\"\"三天\"\"不亮\",求助,urgent,0908-4621234,110,39.71,75.25,"
          "\"zhujian;dianli\",否\r\n"
          "\r\n"
          "title two,plain,ORDER_TYPE_REPORT,,,12345,,,,yes\n");
  ASSERT_EQ(orders.size(), 2u);
  ASSERT_TRUE(orders[0].status.ok()) << orders[0].status;
  EXPECT_EQ(orders[0].row, 1);
  EXPECT_EQ(orders[0].line, 2);
  const auto& content = orders[0].request.content();
  EXPECT_EQ(content.title(), "路灯不亮");
  EXPECT_EQ(content.text(), "天山路的路灯,\r\n已经\"三天\"不亮");
  EXPECT_EQ(content.type(), type::v1::ORDER_TYPE_HELP);
  EXPECT_EQ(content.urgency(), type::v1::URGENCY_URGENT);
  EXPECT_EQ(content.caller().phone(), "0908-4621234");
  EXPECT_FALSE(content.caller().anonymous());
  EXPECT_EQ(content.place().manual_coordinates().latitude(), 39.71);
  EXPECT_THAT(content.assist_units(), testing::ElementsAre("zhujian", "dianli"));
  EXPECT_EQ(orders[0].request.offer().to_hotline(), "110");
  ASSERT_TRUE(orders[1].status.ok()) << orders[1].status;
  EXPECT_EQ(orders[1].row, 2);
  EXPECT_EQ(orders[1].line, 5);  // the quoted line break and the empty line count
  EXPECT_TRUE(orders[1].request.content().caller().anonymous());
  EXPECT_FALSE(orders[1].request.content().has_place());
  EXPECT_EQ(orders[1].request.content().type(), type::v1::ORDER_TYPE_REPORT);
}

TEST(CsvImportTest, ColumnsByChineseNames) {
  const auto orders = Csv("标题,内容,类型,推送至,来电号码\n噪音,夜间施工,投诉,12345,13800000000\n");
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].request.content().title(), "噪音");
  EXPECT_EQ(orders[0].request.content().type(), type::v1::ORDER_TYPE_COMPLAINT);
  EXPECT_EQ(orders[0].request.offer().to_hotline(), "12345");
}

TEST(CsvImportTest, EveryFieldIsAColumn) {
  const std::map<ValueKind, std::string> values = {
      {ValueKind::kText, "x"},   {ValueKind::kList, "x"},      {ValueKind::kSwitch, "1"},
      {ValueKind::kNumber, "1"}, {ValueKind::kDuration, "2s"}, {ValueKind::kTime, "2026-11-23 09:30"}};
  std::string header;
  std::string row;
  for (const FormField& field : FormFields()) {
    header += StrCat(header.empty() ? "" : ",", field.flag.name);
    const std::string value = field.flag.kind == ValueKind::kWord ? EnumWord(*field.flag.words()->value(1))
                                                                  : values.at(field.flag.kind);
    row += StrCat(row.empty() ? "" : ",", value);
  }
  const auto orders = Csv(StrCat(header, "\n", row));
  ASSERT_EQ(orders.size(), 1u);
  ASSERT_TRUE(orders[0].status.ok()) << orders[0].status;
  // The path that errors name is the field that was filled.
  for (const FormField& field : FormFields()) {
    const google::protobuf::Message* message = &orders[0].request;
    std::string_view path = field.path;
    for (size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.')) {
      const auto* part = message->GetDescriptor()->FindFieldByName(std::string(path.substr(0, dot)));
      ASSERT_NE(part, nullptr) << field.path;
      message = &message->GetReflection()->GetMessage(*message, part);
      path.remove_prefix(dot + 1);
    }
    const auto* leaf = message->GetDescriptor()->FindFieldByName(std::string(path));
    ASSERT_NE(leaf, nullptr) << field.path;
    const auto* reflection = message->GetReflection();
    EXPECT_TRUE(leaf->is_repeated() ? reflection->FieldSize(*message, leaf) == 1
                                    : reflection->HasField(*message, leaf))
        << field.path;
  }
}

TEST(CsvImportTest, RowErrorsNameTheFieldAndDoNotStopTheOthers) {
  const struct {
    std::string row;
    std::string field;
    std::string message;
  } kCases[] = {
      {"t,x,nosuch,,", "content.type", "must be one of: consultation, help,"},
      {"t,x,help,91a,1", "content.place.manual_coordinates.latitude", "must be a number"},
      {"t,x,help,39,", "content.place.manual_coordinates.longitude", "go together"},
      {"t,x,help,,1", "content.place.manual_coordinates.latitude", "go together"},
      {"t,x", "", "2 fields where the header has 5"},
      {"t,x,help,,,", "", "6 fields where the header has 5"},
      {"\"t\"x,x,help,,", "", "after a closing quote"},
      {"a\"t,x,help,,", "", "quote inside an unquoted field"},
      {"t,\xff\xfe,help,,", "content.text", "UTF-8"},
      {"t,\xcc\xec\xc9\xbd,help,,", "content.text", "UTF-8"},  // GBK
  };
  for (const auto& c : kCases) {
    const std::string bytes = StrCat("title,text,type,lat,lon\nok,x,help,,\n", c.row, "\nok,x,help,,\n");
    const auto orders = Csv(bytes);
    ASSERT_EQ(orders.size(), 3u) << c.row;
    EXPECT_TRUE(orders[0].status.ok());
    EXPECT_TRUE(orders[2].status.ok());
    EXPECT_TRUE(absl::IsInvalidArgument(orders[1].status));
    EXPECT_EQ(error::FieldOf(orders[1].status), c.field) << c.row;
    EXPECT_THAT(English(orders[1].status), HasSubstr(c.message));
    EXPECT_FALSE(error::ChineseOf(orders[1].status).empty());
    EXPECT_EQ(orders[1].row, 2);
    EXPECT_EQ(orders[1].line, 3);
    EXPECT_EQ(orders[1].raw, c.row);
  }
}

TEST(CsvImportTest, AnOpenQuoteTakesTheRestAndSaysWhereItBegan) {
  const auto orders = Csv("title\nok\n\"open\nmore\n");
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_TRUE(orders[0].status.ok());
  EXPECT_THAT(English(orders[1].status), HasSubstr("a quote is not closed"));
  EXPECT_EQ(orders[1].line, 3);
}

TEST(CsvImportTest, FileErrors) {
  const auto fault = [](std::string_view bytes) {
    const auto orders = ParseOrders(bytes, Format::kCsv);
    EXPECT_FALSE(orders.ok());
    EXPECT_TRUE(absl::IsInvalidArgument(orders.status()));
    return StrCat(error::FieldOf(orders.status()), "|", orders.status().message());
  };
  EXPECT_THAT(fault(""), HasSubstr("holds no orders"));
  EXPECT_THAT(fault("title,text\n\n"), HasSubstr("holds no orders"));
  EXPECT_THAT(fault("title,colour\nx,y\n"), HasSubstr("colour|"));
  // A file without a header is met here too.
  EXPECT_THAT(fault("路灯不亮,示例\n"), HasSubstr("which are: title, text, type, "));
  EXPECT_THAT(error::ChineseOf(ParseOrders("标题,颜色\nx,y\n", Format::kCsv).status()),
              HasSubstr("可用列名：标题、内容、类型、"));
  EXPECT_THAT(fault("title,标题\nx,y\n"), HasSubstr("twice"));
  EXPECT_THAT(fault("\xb1\xea\xcc\xe2\nx\n"), HasSubstr("UTF-8"));
  std::string many = "title";
  for (int i = 0; i < 64; ++i) many += ",x";
  EXPECT_THAT(fault(many), HasSubstr("more than 64 columns"));
}

TEST(ImportTest, Bounds) {
  const auto too_large = ParseOrders(std::string(kMaxImportBytes + 1, ' '), Format::kJson);
  EXPECT_THAT(English(too_large.status()), HasSubstr("larger than 64 MiB"));
  std::string rows = "title\n";
  for (int64_t i = 0; i < kMaxImportRows; ++i) rows += "x\n";
  EXPECT_EQ(Csv(rows).size(), static_cast<size_t>(kMaxImportRows));
  EXPECT_THAT(English(ParseOrders(rows + "x\n", Format::kCsv).status()), HasSubstr("more than 100,000"));
}

TEST(JsonImportTest, ObjectArrayAndLinesSayTheSame) {
  const std::string flat =
      R"({"title":"路灯","type":"help","phone":13800000000,"lat":39.71,"lon":75,"assist":["a","b"]})";
  for (const std::string& bytes :
       {flat, StrCat("[", flat, "]"), StrCat("\xef\xbb\xbf \n[ ", flat, " ]\n"), StrCat(flat, "\r\n")}) {
    const auto orders = Json(bytes);
    ASSERT_EQ(orders.size(), 1u) << bytes;
    ASSERT_TRUE(orders[0].status.ok()) << orders[0].status;
    EXPECT_TRUE(orders[0].flat);
    const auto& content = orders[0].request.content();
    EXPECT_EQ(content.title(), "路灯");
    EXPECT_EQ(content.caller().phone(), "13800000000");
    EXPECT_EQ(content.place().manual_coordinates().latitude(), 39.71);
    EXPECT_THAT(content.assist_units(), testing::ElementsAre("a", "b"));
  }
  const auto orders = Json(StrCat(flat, "\n\n", flat, "\n"));
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_EQ(orders[1].line, 3);
  EXPECT_EQ(Json(StrCat("[", flat, ",\n", flat, "]"))[1].line, 2);
}

TEST(JsonImportTest, ProtobufForm) {
  const auto orders =
      Json(R"({"header":{"requestId":"abcdefgh"},"content":{"type":"ORDER_TYPE_HELP","title":"x",
      "occurTime":"2026-11-23T01:30:00Z"},"offer":{"to_hotline":"110"},"receiptWait":"2s"})");
  ASSERT_EQ(orders.size(), 1u);
  ASSERT_TRUE(orders[0].status.ok()) << orders[0].status;
  EXPECT_FALSE(orders[0].flat);
  EXPECT_EQ(orders[0].request.header().request_id(), "abcdefgh");
  EXPECT_EQ(orders[0].request.offer().to_hotline(), "110");
  EXPECT_EQ(orders[0].request.receipt_wait().seconds(), 2);
}

TEST(JsonImportTest, RowErrors) {
  const struct {
    std::string row;
    std::string field;
    std::string message;
  } kCases[] = {
      {R"({"title":"x","colour":"red"})", "colour", "no such key"},
      {R"({"title":{"a":1}})", "content.title", "must be text"},
      {R"({"title":["a"]})", "content.title", "must be text"},
      {R"({"type":"nosuch"})", "content.type", "must be one of"},
      {R"({"anonymous":"perhaps"})", "content.caller.anonymous", "must be true or false"},
      {R"({"wait":"soon"})", "receipt_wait", "must be a duration"},
      {R"({"occur-time":"+2h"})", "content.occur_time", "must be a time"},
      {R"({"lat":1})", "content.place.manual_coordinates.longitude", "go together"},
      {R"({"content":{"type":"NOSUCH"}})", "", "does not fit"},
      {R"({"content":{"colour":1}})", "", "does not fit"},
      {R"({"title":"x" "text":"y"})", "", "not well-formed JSON"},
      {R"({'title':"x"})", "", "not well-formed JSON"},
      {"17", "", "must be a JSON object"},
      {"\"text\"", "", "must be a JSON object"},
      {"{\"title\":\"\xff\"}", "", "UTF-8"},
  };
  for (const auto& c : kCases) {
    const std::string bytes = StrCat(R"({"title":"ok"})", "\n", c.row, "\n", R"({"title":"ok"})", "\n");
    const auto orders = Json(bytes);
    ASSERT_EQ(orders.size(), 3u) << c.row;
    EXPECT_TRUE(orders[0].status.ok());
    EXPECT_TRUE(orders[2].status.ok()) << c.row << orders[2].status;
    EXPECT_TRUE(absl::IsInvalidArgument(orders[1].status)) << c.row;
    if (!c.field.empty()) {
      EXPECT_EQ(error::FieldOf(orders[1].status), c.field) << c.row;
    }
    EXPECT_THAT(English(orders[1].status), HasSubstr(c.message)) << c.row;
    EXPECT_EQ(orders[1].line, 2);
    EXPECT_EQ(orders[1].raw, c.row);
  }
}

TEST(JsonImportTest, NamesTheFieldOfAProtobufOrder) {
  const auto orders = Json(R"({"content":{"title":"x","type":"ORDER_TYPE_NOSUCH"}})");
  EXPECT_EQ(error::FieldOf(orders[0].status), "content.type");
}

TEST(JsonImportTest, ABrokenLineDoesNotStopTheNext) {
  for (const char* broken :
       {R"({"title":"x)", R"({"title":{"a":1})", R"({"title":[})", "{", "}", "]", "nonsense"}) {
    const auto orders = Json(StrCat(R"({"title":"1"})", "\n", broken, "\n", R"({"title":"3"})"));
    ASSERT_EQ(orders.size(), 3u) << broken;
    EXPECT_FALSE(orders[1].status.ok()) << broken;
    EXPECT_TRUE(orders[2].status.ok()) << broken;
    EXPECT_EQ(orders[2].request.content().title(), "3");
  }
}

TEST(JsonImportTest, ABrokenArrayKeepsWhatStoodBefore) {
  const auto faults = [](std::string_view bytes) {
    const auto orders = Json(bytes);
    EXPECT_GE(orders.size(), 2u) << bytes;
    for (size_t i = 0; i + 1 < orders.size(); ++i) EXPECT_TRUE(orders[i].status.ok()) << bytes;
    return orders.empty() ? "" : English(orders.back().status);
  };
  EXPECT_THAT(faults(R"([{"title":"1"},{"title":)"), HasSubstr("not well-formed JSON"));
  EXPECT_THAT(faults(R"([{"title":"1"})"), HasSubstr("not well-formed JSON"));
  EXPECT_THAT(faults(R"([{"title":"1"},)"), HasSubstr("not well-formed JSON"));
  EXPECT_THAT(faults(R"([{"title":"1"} {"title":"2"}])"), HasSubstr("not well-formed JSON"));
  EXPECT_THAT(faults(R"([{"title":"1"}] {"title":"2"})"), HasSubstr("after the end"));
  EXPECT_THAT(faults(StrCat(R"([{"title":"1"},)", std::string(200, '['))), HasSubstr("nested too deep"));
}

TEST(JsonImportTest, NothingInItIsAnError) {
  for (const char* bytes : {"", "  \n", "[]", " [ ] "}) {
    EXPECT_THAT(English(ParseOrders(bytes, Format::kJson).status()), HasSubstr("holds no orders")) << bytes;
  }
}

TEST(ImportTest, AFaultIsToldByTheColumnOfTheFile) {
  const std::string csv = "标题,text,来电号码,匿名,lat,assist\nx,y,,,1,\n";
  const auto orders = Csv(csv);
  ASSERT_EQ(orders.size(), 1u);
  const auto told = [&](const absl::Status& status, Language language) {
    const std::string names = NamesInFile(csv, Format::kCsv, orders[0], error::FieldOf(status), language);
    return FaultInFile({.status = status}, names, Format::kCsv, language);
  };
  EXPECT_EQ(told(error::Required("content.title"), Language::kEnglish), "column \"标题\": is required");
  EXPECT_EQ(told(error::Required("content.title"), Language::kChinese), "“标题”列：必填");
  EXPECT_EQ(told(error::Required("content.text"), Language::kChinese), "“text”列：必填");
  // As a service names it in a batch.
  const absl::Status batch = error::WithFieldPrefix(error::Required("content.title"), "requests[7]");
  EXPECT_EQ(told(batch, Language::kChinese), "“标题”列：必填");
  EXPECT_EQ(told(error::Required("content.assist_units[2]"), Language::kEnglish),
            "column \"assist\": is required");
  // Of several, those that the file has; else those that would do.
  EXPECT_EQ(told(error::Required("content.caller"), Language::kChinese), "“来电号码、匿名”列：必填");
  EXPECT_EQ(told(error::Required("offer.to_hotline"), Language::kChinese), "“推送至”列：必填");
  EXPECT_EQ(told(error::Required("offer.to_hotline"), Language::kEnglish), "column \"to\": is required");
  EXPECT_EQ(told(orders[0].status, Language::kChinese), "“经度”列：经度与纬度须同时给出");
  // What no column fills, and what is no field's fault, stay as they are.
  EXPECT_EQ(told(error::Required("content.attachments"), Language::kEnglish),
            "content.attachments: is required");
  EXPECT_EQ(told(error::DiskFull(), Language::kEnglish),
            FailureMessage({.status = error::DiskFull()}, Language::kEnglish));

  const std::string json = R"({"标题":"x","phone":"1"} {"content":{"title":"x"}})";
  const auto objects = Json(json);
  ASSERT_EQ(objects.size(), 2u);
  const std::string key =
      NamesInFile(json, Format::kJson, objects[0], "requests[0].content.title", Language::kEnglish);
  EXPECT_EQ(FaultInFile({.status = error::Required("content.title")}, key, Format::kJson, Language::kChinese),
            "“标题”键：必填");
  // The protobuf form has the paths themselves.
  EXPECT_EQ(NamesInFile(json, Format::kJson, objects[1], "content.title", Language::kEnglish), "");
}

TEST(ImportTest, WordsAreListedInTheReadersLanguage) {
  const auto orders = Csv("类型\nnosuch\n");
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_THAT(error::ChineseOf(orders[0].status), HasSubstr("应为：consultation/咨询, help/求助"));
  EXPECT_THAT(English(orders[0].status), HasSubstr("must be one of: consultation, help"));
}

TEST(ImportTest, RowsAreToldAsRanges) {
  EXPECT_EQ(RowRanges({}), "");
  EXPECT_EQ(RowRanges({7}), "7");
  EXPECT_EQ(RowRanges({1, 2, 3, 5, 7, 8}), "1-3, 5, 7-8");
}

TEST(ImportTest, DetectsTheFormat) {
  EXPECT_EQ(DetectFormat("a.CSV", "{"), Format::kCsv);
  EXPECT_EQ(DetectFormat("a.jsonl", "x"), Format::kJson);
  EXPECT_EQ(DetectFormat("-", "\xef\xbb\xbf\n {\"a\":1}"), Format::kJson);
  EXPECT_EQ(DetectFormat("-", "title,text"), Format::kCsv);
  EXPECT_EQ(DetectFormat("orders", ""), Format::kCsv);
}

TEST(ImportTest, RequestIdsFollowFromTheFile) {
  const std::string digest = FileDigest("title\nx\n");
  EXPECT_EQ(RowRequestId(digest, 7), RowRequestId(FileDigest("title\nx\n"), 7));
  EXPECT_NE(RowRequestId(digest, 7), RowRequestId(digest, 8));
  EXPECT_NE(RowRequestId(digest, 7), RowRequestId(FileDigest("title\ny\n"), 7));
  // Within the bounds of CommandHeader.request_id.
  const std::string longest = RowRequestId(digest, kMaxImportRows);
  EXPECT_GE(longest.size(), 8u);
  EXPECT_LE(longest.size(), 64u);
  EXPECT_EQ(longest.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-"),
            std::string::npos);
}

TEST(ImportTest, ExtractedRowsReadAgain) {
  const std::string csv = "\xef\xbb\xbftitle,text\r\na,\"1\r\n2\"\r\nb\r\nc,3\r";
  const std::string json =
      "[{\"title\":\"a\",\n\"text\":\"1\"},\n{\"title\":7,\"text\":{}},{\"title\":\"c\"}]";
  for (const auto& [bytes, format] : {std::pair(csv, Format::kCsv), std::pair(json, Format::kJson)}) {
    const auto orders = Read(bytes, format);
    ASSERT_EQ(orders.size(), 3u);
    EXPECT_FALSE(orders[1].status.ok());
    const std::string bad = ExtractRows(bytes, format, {&orders[1]});
    const auto again = Read(bad, format);
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].raw, orders[1].raw);
    const std::string good_bytes = ExtractRows(bytes, format, {&orders[0], &orders[2]});
    const auto good = Read(good_bytes, format);
    ASSERT_EQ(good.size(), 2u);
    EXPECT_EQ(good[0].request.SerializeAsString(), orders[0].request.SerializeAsString());
    EXPECT_EQ(good[1].request.SerializeAsString(), orders[2].request.SerializeAsString());
  }
}

TEST(OrderFormTest, DefaultsAndMerging) {
  PushWorkOrderRequest defaults;
  defaults.mutable_offer()->set_to_hotline("110");
  defaults.mutable_content()->add_assist_units("a");
  defaults.mutable_content()->set_channel(type::v1::CHANNEL_WEB);
  PushWorkOrderRequest row;
  row.mutable_content()->set_title("x");
  row.mutable_content()->add_assist_units("b");
  PushWorkOrderRequest merged = MergeForms(defaults, row);
  ApplyFormDefaults(merged);
  EXPECT_EQ(merged.offer().to_hotline(), "110");
  EXPECT_THAT(merged.content().assist_units(), testing::ElementsAre("b"));
  EXPECT_EQ(merged.content().channel(), type::v1::CHANNEL_WEB);
  EXPECT_EQ(merged.content().urgency(), type::v1::URGENCY_UNSPECIFIED) << "the site reads the text";
  // An order that exists gets no content from anywhere.
  PushWorkOrderRequest existing;
  existing.mutable_header()->set_order_id("12345-20261123-000001");
  merged = MergeForms(defaults, existing);
  ApplyFormDefaults(merged);
  EXPECT_FALSE(merged.has_content());
  EXPECT_EQ(merged.offer().to_hotline(), "110");
}

TEST(OrderFormTest, FlagsOfPaths) {
  EXPECT_EQ(FlagForPath("content.caller.phone"), "phone");
  EXPECT_EQ(FlagForPath("content.assist_units[3]"), "assist");
  EXPECT_EQ(FlagForPath("content.place.manual_coordinates"), "lat");
  EXPECT_EQ(FlagForPath("registration.content.caller.phone"), "phone");
  EXPECT_EQ(FlagForPath("content.cal"), "");
  EXPECT_EQ(FlagForPath("no_such_change.lead_unit"), "");
  EXPECT_EQ(FlagForPath(""), "");
}

}  // namespace
}  // namespace hotline::hotlinectl
