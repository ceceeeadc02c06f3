#pragma once
/// What follows a load: SQL that checks the rows, SQL that brings them on into other tables.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/postgres/connection.hpp>

namespace etl::inline v0::postgres {

/// Runs each statement, a SELECT that must give no row, or one row with the boolean true: rows are what is wrong. The
/// error, of class Fatal and with the code `Errc::CheckFailed`, names all statements that give others, with the first
/// rows of each. They run in one transaction that cannot write.
[[nodiscard]] Result<void> check_integrity(Connection& connection, std::span<const std::string> statements);

/// Runs a script of statements in one transaction: all or nothing. It has no BEGIN, COMMIT or ROLLBACK of its own, nor
/// COPY from or to the client. The error has the code `Errc::ScriptFailed`; its cause is that of the database, and
/// names the line that it is in, or that its statement begins in: "merge.sql:12".
[[nodiscard]] Result<void> run_script(Connection& connection, std::string_view sql, std::string_view name = "script");
/// The same of a file.
[[nodiscard]] Result<void> run_script_file(Connection& connection, const std::filesystem::path& path);

}  // namespace etl::inline v0::postgres
