# SPDX-License-Identifier: Apache-2.0
# cmake -DDOCGEN=… -DSCDOC=… -DSOURCE_DIR=… -DOUT_DIR=… -P build.cmake
# Which pages there are follows from the verb tables, hence known only when docgen has run.
file(REMOVE_RECURSE ${OUT_DIR})
file(MAKE_DIRECTORY ${OUT_DIR})
execute_process(COMMAND ${DOCGEN} ${SOURCE_DIR} ${OUT_DIR} COMMAND_ERROR_IS_FATAL ANY)
file(GLOB sources ${OUT_DIR}/*.scd)
foreach(source ${sources})
  string(REGEX REPLACE "\\.scd$" "" page ${source})
  execute_process(COMMAND ${SCDOC} INPUT_FILE ${source} OUTPUT_FILE ${page} COMMAND_ERROR_IS_FATAL ANY)
  file(REMOVE ${source})
endforeach()
