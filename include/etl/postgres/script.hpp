#pragma once
/// SQL after a load: checks of the rows, and scripts that merge them into other tables.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/postgres/connection.hpp>

namespace etl::inline v0::postgres {

/// Runs SELECT statements. Each must return no row, or one row with the boolean true. An error of class Fatal with the
/// code `Errc::CheckFailed` names all statements that return something else, with their first rows. The statements run
/// in one read-only transaction.
[[nodiscard]] Result<void> check_integrity(Connection& connection, std::span<const std::string> statements);

/// Runs a script in one transaction. It must not contain BEGIN, COMMIT, ROLLBACK, or COPY from or to the client. The
/// error has the code `Errc::ScriptFailed`. Its cause is the error of the database, and names the line where it is, or
/// where its statement begins: "merge.sql:12".
[[nodiscard]] Result<void> run_script(Connection& connection, std::string_view sql, std::string_view name = "script");
/// The same for a script in a file.
[[nodiscard]] Result<void> run_script_file(Connection& connection, const std::filesystem::path& path);

}  // namespace etl::inline v0::postgres
