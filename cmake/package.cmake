# The CMake package: one export set per component, the same in the install tree and in the build tree.
#
# A component <name> consists of a target etlpipe_<name> and of cmake/components/<name>.cmake, which names its
# dependencies (and, with etlpipe_find_component, the components it stands on). That file is read by this build and by
# the installed package, so the two cannot disagree.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(ETLPIPE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/etlpipe)

# In this build a dependency is required; in the package (cmake/etlpipeConfig.cmake.in) its absence is reported.
macro(etlpipe_find_dependency name)
  find_package(${name} ${ARGN} REQUIRED)
endmacro()
# In this build the other component's target simply exists already.
macro(etlpipe_find_component name)
  if(NOT TARGET etlpipe_${name})
    message(FATAL_ERROR "ETLPIPE_COMPONENTS is \"${ETLPIPE_COMPONENTS}\", and one of these components needs '${name}': "
                        "name it, too")
  endif()
endmacro()
macro(etlpipe_find_dependencies component)
  include(${PROJECT_SOURCE_DIR}/cmake/components/${component}.cmake)
endmacro()

# Makes the library etlpipe_<component> of sources below the current folder and of headers below `include_dir`.
# `headers` are those of the component. Call etlpipe_package_component afterwards.
function(etlpipe_add_component component)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "INCLUDE_DIR" "SOURCES;PUBLIC;PRIVATE")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${arg_INCLUDE_DIR}/etl/${component}/*.hpp)
  add_library(etlpipe_${component} ${arg_SOURCES})
  add_library(etlpipe::${component} ALIAS etlpipe_${component})
  target_sources(
    etlpipe_${component}
    PUBLIC FILE_SET HEADERS
           BASE_DIRS ${arg_INCLUDE_DIR}
           FILES ${headers})
  target_link_libraries(etlpipe_${component} PUBLIC etlpipe::core ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  set_target_properties(
    etlpipe_${component}
    PROPERTIES EXPORT_NAME ${component}
               POSITION_INDEPENDENT_CODE ON
               UNITY_BUILD ${ETLPIPE_UNITY_BUILD})
  etlpipe_developer_options(etlpipe_${component})
endfunction()

# Writes etlpipe-<component>.pc. ON: components that it stands on; NEEDS: packages of pkg-config for its libraries; LIBS:
# such libraries without one. Whoever links a static library links what it needs as well.
function(etlpipe_write_pc component)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ON;NEEDS;LIBS")
  set(own "etlpipe-core = ${PROJECT_VERSION}")
  foreach(other ${arg_ON})
    list(APPEND own "etlpipe-${other} = ${PROJECT_VERSION}")
  endforeach()
  get_target_property(type etlpipe_${component} TYPE)
  list(TRANSFORM arg_LIBS PREPEND "-l")
  list(JOIN arg_LIBS " " libs)
  if(type STREQUAL "STATIC_LIBRARY")
    list(APPEND own ${arg_NEEDS})
    set(ETLPIPE_PC_LIBS "${libs}")
  else()
    list(JOIN arg_NEEDS ", " ETLPIPE_PC_REQUIRES_PRIVATE)
    set(ETLPIPE_PC_LIBS_PRIVATE "${libs}")
  endif()
  list(JOIN own ", " ETLPIPE_PC_REQUIRES)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/etlpipe-component.pc.in ${PROJECT_BINARY_DIR}/etlpipe-${component}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/etlpipe-${component}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

# Exports and installs etlpipe_<component>. Further arguments are those of etlpipe_write_pc; core has files of its own.
macro(etlpipe_package_component component)
  set_property(GLOBAL APPEND PROPERTY etlpipe_components ${component})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/components/${component}.cmake
                 ${PROJECT_BINARY_DIR}/etlpipe-${component}.cmake COPYONLY)
  if(ETLPIPE_INSTALL)
    install(
      TARGETS etlpipe_${component}
      EXPORT etlpipe-${component}
      FILE_SET HEADERS)
    install(
      EXPORT etlpipe-${component}
      FILE etlpipe-${component}-targets.cmake
      NAMESPACE etlpipe::
      DESTINATION ${ETLPIPE_CMAKE_DIR})
    export(
      EXPORT etlpipe-${component}
      FILE ${PROJECT_BINARY_DIR}/etlpipe-${component}-targets.cmake
      NAMESPACE etlpipe::)
    install(FILES ${PROJECT_BINARY_DIR}/etlpipe-${component}.cmake DESTINATION ${ETLPIPE_CMAKE_DIR})
    file(GLOB etlpipe_pc_files ${PROJECT_SOURCE_DIR}/cmake/etlpipe-${component}.pc.in
         ${PROJECT_SOURCE_DIR}/cmake/etlpipe-${component}-*.pc.in)
    # Relative to the file itself, so that the installed tree can be moved.
    file(RELATIVE_PATH ETLPIPE_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    string(REGEX REPLACE "/$" "" ETLPIPE_PC_TO_PREFIX ${ETLPIPE_PC_TO_PREFIX})
    foreach(etlpipe_pc_file ${etlpipe_pc_files})
      cmake_path(GET etlpipe_pc_file STEM LAST_ONLY etlpipe_pc_name)
      configure_file(${etlpipe_pc_file} ${PROJECT_BINARY_DIR}/${etlpipe_pc_name} @ONLY)
      install(FILES ${PROJECT_BINARY_DIR}/${etlpipe_pc_name} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    endforeach()
    if(NOT etlpipe_pc_files)
      etlpipe_write_pc(${component} ${ARGN})
    endif()
  endif()
endmacro()

# Writes the package files that all components share. Call after the last component.
macro(etlpipe_package)
  if(ETLPIPE_INSTALL)
    get_property(etlpipe_components GLOBAL PROPERTY etlpipe_components)
    configure_package_config_file(
      ${PROJECT_SOURCE_DIR}/cmake/etlpipeConfig.cmake.in ${PROJECT_BINARY_DIR}/etlpipeConfig.cmake
      INSTALL_DESTINATION ${ETLPIPE_CMAKE_DIR}
      NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
    write_basic_package_version_file(${PROJECT_BINARY_DIR}/etlpipeConfigVersion.cmake COMPATIBILITY SameMajorVersion)
    install(FILES ${PROJECT_BINARY_DIR}/etlpipeConfig.cmake ${PROJECT_BINARY_DIR}/etlpipeConfigVersion.cmake
            DESTINATION ${ETLPIPE_CMAKE_DIR})
    install(
      DIRECTORY ${PROJECT_SOURCE_DIR}/cmake/modules
      DESTINATION ${ETLPIPE_CMAKE_DIR}
      FILES_MATCHING
      PATTERN "Find*.cmake")
    file(COPY ${PROJECT_SOURCE_DIR}/cmake/modules DESTINATION ${PROJECT_BINARY_DIR})
    install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
  endif()
endmacro()
