// Writes lines under Hadoop's codecs, with small blocks:
//
//	java -cp "$SPARK/jars/*" Make.java
//
// SPARK is the directory of the PyPI package pyspark 3.5.9.
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.io.compress.*;

public class Make {
  public static void main(String[] args) throws Exception {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 2000; i++) {
      text.append(i).append("|row ").append(i).append(" é\n");
      if (i == 1000) text.append('\n');
    }
    byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
    Configuration conf = new Configuration(false);
    conf.setInt("io.compression.codec.snappy.buffersize", 4096);
    conf.setInt("io.compression.codec.lz4.buffersize", 4096);
    for (Class<? extends CompressionCodec> c : new Class[] {BZip2Codec.class, DefaultCodec.class, SnappyCodec.class, Lz4Codec.class}) {
      CompressionCodec codec = c.getDeclaredConstructor().newInstance();
      ((org.apache.hadoop.conf.Configurable) codec).setConf(conf);
      try (OutputStream out = codec.createOutputStream(Files.newOutputStream(Path.of("lines.txt" + codec.getDefaultExtension())))) {
        for (int at = 0; at < bytes.length; at += 1000) out.write(bytes, at, Math.min(1000, bytes.length - at));
      }
    }
  }
}
