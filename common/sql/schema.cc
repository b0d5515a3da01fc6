#include "common/sql/schema.h"

#include <memory>

#include "common/base/text.h"
#include "common/error/error.h"

namespace hotline::sql {
namespace {

// Drops `tables` if a version before `version` wrote them.
absl::Status DropOlder(Connection* writer, int64_t version, std::initializer_list<const char*> tables) {
  const absl::StatusOr<int64_t> found = SchemaOf(writer);
  if (!found.ok()) return found.status();
  if (*found == 0 || *found >= version) return absl::OkStatus();
  for (const char* table : tables) {
    if (absl::Status status = writer->Execute(StrCat("DROP TABLE IF EXISTS ", table)); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

// Checks the row of `site`, and writes it if there is none.
absl::Status CheckSite(Connection* writer, const StoreMark& mark, std::string_view hotline) {
  auto select = writer->Prepare("SELECT schema_version, hotline FROM site WHERE id = 1");
  if (!select.ok()) return select.status();
  {
    ScopedReset reset(select->get());
    const auto row = (*select)->Step();
    if (!row.ok()) return row.status();
    if (*row) {
      const int64_t version = (*select)->Int64(0);
      if (version > mark.version) return error::SchemaNewer(mark.file, version, mark.version);
      if (version != mark.version) {
        return error::StoreNotOpened(
            StrCat(mark.name, " has schema version ", version, ", this program ", mark.version,
                   mark.projection ? "; it can be deleted and is rebuilt from the log" : ""),
            StrCat(mark.file, " 的数据结构版本为 ", version, "，本程序为 ", mark.version,
                   mark.projection ? "；可删除该文件，启动后由日志重建" : ""));
      }
      if ((*select)->Text(1) != hotline) {
        return error::StoreNotOpened(StrCat(mark.name, " belongs to hotline ", (*select)->Text(1), ", not ",
                                            hotline, ": correct hotline or data_dir in the configuration"),
                                     StrCat(mark.file, " 属于热线 ", (*select)->Text(1), "，不属于 ", hotline,
                                            "：请核对配置中的 hotline 与 data_dir"));
      }
      return absl::OkStatus();
    }
  }
  const bool counts = !mark.counter.empty();
  auto insert = writer->Prepare(StrCat("INSERT INTO site (id, schema_version, hotline", counts ? ", " : "",
                                       mark.counter, ") VALUES (1, ?1, ?2", counts ? ", 0)" : ")"));
  if (!insert.ok()) return insert.status();
  (*insert)->BindInt64(1, mark.version);
  (*insert)->BindText(2, hotline);
  return (*insert)->Run();
}

}  // namespace

absl::StatusOr<int64_t> SchemaOf(Connection* writer) {
  auto select = writer->Prepare("SELECT schema_version FROM site WHERE id = 1");
  if (!select.ok()) return 0;
  ScopedReset reset(select->get());
  const auto row = (*select)->Step();
  if (!row.ok()) return row.status();
  return *row ? (*select)->Int64(0) : 0;
}

absl::Status OpenStore(Connection* writer, const StoreMark& mark, std::string_view hotline,
                       absl::FunctionRef<absl::Status()> make) {
  if (absl::Status status = writer->Begin(); !status.ok()) return status;
  absl::Status status = make();
  if (status.ok()) status = CheckSite(writer, mark, hotline);
  if (status.ok()) return writer->Commit();
  writer->Rollback();
  return status;
}

absl::Status OpenProjection(Connection* writer, const StoreMark& mark, std::string_view hotline,
                            std::initializer_list<const char*> tables, std::string_view schema) {
  return OpenStore(writer, mark, hotline, [&] {
    const absl::Status status = DropOlder(writer, mark.version, tables);
    return status.ok() ? writer->Execute(schema) : status;
  });
}

}  // namespace hotline::sql
