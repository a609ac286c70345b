import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/** A name node and a data node on loopback: MiniHdfs FOLDER PORT, the port of the name node's HTTP. */
class MiniHdfs {
    public static void main(String[] arguments) throws Exception {
        new MiniDFSCluster.Builder(new Configuration(), new File(arguments[0]))
                .nameNodeHttpPort(Integer.parseInt(arguments[1]))
                .numDataNodes(1)
                .build()
                .waitClusterUp();
        Thread.currentThread().join();
    }
}
